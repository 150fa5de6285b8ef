//! TLS, SASL, principals and the authorizer.

use crate::config::key::keys;

keys! { SECURITY:
    "authorizer.class.name" String = "", NonNull, Low, ReadOnly,
        "Class of the authorizer; the standard one turns access control lists on.";
    "principal.builder.class" Class = "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder", Any, Medium, PerBroker,
        "Class that makes a principal of a connection.";
    "security.providers" String = null, Any, Low, ReadOnly,
        "Classes of security providers; Java classes are not run here.";
    "ssl.allow.dn.changes" Boolean = "false", Any, Low, ReadOnly,
        "Whether a reloaded certificate may carry another distinguished name.";
    "ssl.allow.san.changes" Boolean = "false", Any, Low, ReadOnly,
        "Whether a reloaded certificate may carry other alternative names.";
    "ssl.cipher.suites" List = "", Names, Medium, PerBroker,
        "Cipher suites that are allowed; empty means the library's own choice.";
    "ssl.client.auth" String = "none", OneOf(&["required", "requested", "none"]), Medium, PerBroker,
        "Whether clients must, may or need not show a certificate.";
    "ssl.enabled.protocols" List = "TLSv1.2,TLSv1.3", Names, Medium, PerBroker,
        "Versions of TLS that are allowed.";
    "ssl.endpoint.identification.algorithm" String = "https", Any, Low, PerBroker,
        "How the name in a server's certificate is checked; empty means not at all.";
    "ssl.engine.factory.class" Class = null, Any, Low, PerBroker,
        "Class that makes TLS engines; Java classes are not run here.";
    "ssl.key.password" Password = null, Any, Medium, PerBroker,
        "Password of the private key.";
    "ssl.keymanager.algorithm" String = "SunX509", Any, Medium, PerBroker,
        "Name of Java's key manager algorithm; accepted for compatibility.";
    "ssl.keystore.certificate.chain" Password = null, Any, Medium, PerBroker,
        "Certificate chain as PEM text.";
    "ssl.keystore.key" Password = null, Any, Medium, PerBroker,
        "Private key as PEM text.";
    "ssl.keystore.location" String = null, Any, Medium, PerBroker,
        "File with private key and certificate chain.";
    "ssl.keystore.password" Password = null, Any, Medium, PerBroker,
        "Password of that file.";
    "ssl.keystore.type" String = "JKS", Any, Medium, PerBroker,
        "Format of that file: JKS, PKCS12 or PEM.";
    "ssl.principal.mapping.rules" String = "DEFAULT", Any, Low, ReadOnly,
        "Rules that make a principal of a certificate's distinguished name.";
    "ssl.protocol" String = "TLSv1.3", Any, Medium, PerBroker,
        "Preferred version of TLS.";
    "ssl.provider" String = null, Any, Medium, PerBroker,
        "Name of Java's security provider; accepted for compatibility.";
    "ssl.secure.random.implementation" String = null, Any, Low, PerBroker,
        "Name of Java's random generator; accepted for compatibility.";
    "ssl.trustmanager.algorithm" String = "PKIX", Any, Medium, PerBroker,
        "Name of Java's trust manager algorithm; accepted for compatibility.";
    "ssl.truststore.certificates" Password = null, Any, Medium, PerBroker,
        "Trusted certificates as PEM text.";
    "ssl.truststore.location" String = null, Any, Medium, PerBroker,
        "File with trusted certificates.";
    "ssl.truststore.password" Password = null, Any, Medium, PerBroker,
        "Password of the file with trusted certificates.";
    "ssl.truststore.type" String = "JKS", Any, Medium, PerBroker,
        "Format of the file with trusted certificates: JKS, PKCS12 or PEM.";
    "sasl.enabled.mechanisms" List = "GSSAPI", Names, Medium, PerBroker,
        "SASL mechanisms that are offered.";
    "sasl.mechanism.inter.broker.protocol" String = "GSSAPI", Any, Medium, PerBroker,
        "SASL mechanism between brokers.";
    "sasl.jaas.config" Password = null, Any, Medium, PerBroker,
        "Login of this node and users of its mechanisms, in JAAS notation.";
    "sasl.client.callback.handler.class" Class = null, Any, Medium, ReadOnly,
        "Class of the client-side callback handler; Java classes are not run here.";
    "sasl.server.callback.handler.class" Class = null, Any, Medium, ReadOnly,
        "Class of the server-side callback handler; Java classes are not run here.";
    "sasl.server.max.receive.size" Int = "524288", Any, Medium, ReadOnly,
        "Largest message before authentication is complete.";
    "sasl.login.callback.handler.class" Class = null, Any, Medium, ReadOnly,
        "Class of the login callback handler; Java classes are not run here.";
    "sasl.login.class" Class = null, Any, Medium, ReadOnly,
        "Class of the login; Java classes are not run here.";
    "sasl.login.connect.timeout.ms" Int = null, Any, Low, ReadOnly,
        "How long to wait for a connection to an identity provider.";
    "sasl.login.read.timeout.ms" Int = null, Any, Low, ReadOnly,
        "How long to wait for an answer of an identity provider.";
    "sasl.login.refresh.buffer.seconds" Short = "300", Any, Medium, PerBroker,
        "Time before expiry in which a credential is not refreshed any more, if it can be helped.";
    "sasl.login.refresh.min.period.seconds" Short = "60", Any, Medium, PerBroker,
        "Shortest time between two refreshes of a credential.";
    "sasl.login.refresh.window.factor" Double = "0.8", Any, Medium, PerBroker,
        "Share of a credential's life after which it is refreshed.";
    "sasl.login.refresh.window.jitter" Double = "0.05", Any, Medium, PerBroker,
        "Random share that is added to that.";
    "sasl.login.retry.backoff.ms" Long = "100", Any, Low, ReadOnly,
        "First wait between two attempts to log in at an identity provider.";
    "sasl.login.retry.backoff.max.ms" Long = "10000", Any, Low, ReadOnly,
        "Longest wait between two attempts to log in at an identity provider.";
    "sasl.kerberos.kinit.cmd" String = "/usr/bin/kinit", Any, Medium, PerBroker,
        "Path of kinit.";
    "sasl.kerberos.min.time.before.relogin" Long = "60000", Any, Medium, PerBroker,
        "Shortest time between two Kerberos logins.";
    "sasl.kerberos.principal.to.local.rules" List = "DEFAULT", Names, Medium, PerBroker,
        "Rules that make a short name of a Kerberos principal.";
    "sasl.kerberos.service.name" String = null, Any, Medium, PerBroker,
        "Kerberos name of the service.";
    "sasl.kerberos.ticket.renew.jitter" Double = "0.05", Any, Medium, PerBroker,
        "Random share that is added to the time of renewal.";
    "sasl.kerberos.ticket.renew.window.factor" Double = "0.8", Any, Medium, PerBroker,
        "Share of a ticket's life after which it is renewed.";
    "sasl.oauthbearer.assertion.algorithm" String = "RS256", OneOfAnyCase(&["ES256", "RS256"]), Medium, ReadOnly,
        "Algorithm that a login assertion is signed with.";
    "sasl.oauthbearer.assertion.claim.aud" String = null, Any, Medium, ReadOnly,
        "Audience in a login assertion.";
    "sasl.oauthbearer.assertion.claim.exp.seconds" Int = "300", Between(0, 86_400), Low, ReadOnly,
        "Seconds for which a login assertion is valid.";
    "sasl.oauthbearer.assertion.claim.iss" String = null, Any, Medium, ReadOnly,
        "Issuer in a login assertion.";
    "sasl.oauthbearer.assertion.claim.jti.include" Boolean = "false", Any, Medium, ReadOnly,
        "Whether a login assertion carries an id of its own.";
    "sasl.oauthbearer.assertion.claim.nbf.seconds" Int = "60", Between(0, 3600), Low, ReadOnly,
        "Seconds before now from which a login assertion is valid.";
    "sasl.oauthbearer.assertion.claim.sub" String = null, Any, Medium, ReadOnly,
        "Subject in a login assertion.";
    "sasl.oauthbearer.assertion.file" String = null, Any, Medium, ReadOnly,
        "File with a ready-made login assertion.";
    "sasl.oauthbearer.assertion.private.key.file" String = null, Any, Medium, ReadOnly,
        "File with the key that signs login assertions.";
    "sasl.oauthbearer.assertion.private.key.passphrase" Password = null, Any, Medium, ReadOnly,
        "Password of that key.";
    "sasl.oauthbearer.assertion.template.file" String = null, Any, Medium, ReadOnly,
        "File with further claims of a login assertion.";
    "sasl.oauthbearer.client.credentials.client.id" String = null, Any, Medium, ReadOnly,
        "Client id for the identity provider.";
    "sasl.oauthbearer.client.credentials.client.secret" Password = null, Any, Medium, ReadOnly,
        "Client secret for the identity provider.";
    "sasl.oauthbearer.clock.skew.seconds" Int = "30", Any, Low, ReadOnly,
        "How far the identity provider's clock may differ.";
    "sasl.oauthbearer.expected.audience" List = "", Names, High, ReadOnly,
        "Audiences of which a token must name one.";
    "sasl.oauthbearer.expected.issuer" String = null, Any, High, ReadOnly,
        "Issuer that a token must name.";
    "sasl.oauthbearer.jwks.endpoint.refresh.ms" Long = "3600000", Any, Low, ReadOnly,
        "Time between two readings of the identity provider's keys.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms" Long = "100", Any, Low, ReadOnly,
        "First wait between two attempts to read those keys.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms" Long = "10000", Any, Low, ReadOnly,
        "Longest wait between two attempts to read those keys.";
    "sasl.oauthbearer.jwks.endpoint.url" String = null, Any, Medium, ReadOnly,
        "Where those keys are found.";
    "sasl.oauthbearer.jwt.retriever.class" Class = "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever", Any, Medium, ReadOnly,
        "Class that fetches tokens; Java classes are not run here.";
    "sasl.oauthbearer.jwt.validator.class" Class = "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator", Any, Medium, ReadOnly,
        "Class that checks tokens; Java classes are not run here.";
    "sasl.oauthbearer.scope" String = null, Any, Medium, ReadOnly,
        "Scope that is asked for with a token.";
    "sasl.oauthbearer.scope.claim.name" String = "scope", Any, Low, ReadOnly,
        "Claim of a token that holds its scope.";
    "sasl.oauthbearer.sub.claim.name" String = "sub", Any, Low, ReadOnly,
        "Claim of a token that holds its subject.";
    "sasl.oauthbearer.token.endpoint.url" String = null, Any, Medium, ReadOnly,
        "Where tokens are fetched.";
}

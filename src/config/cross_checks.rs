//! Which values of a node contradict each other, in Kafka's order and words.

use crate::config::broker::BrokerConfig;
use crate::config::error::ConfigError;
use crate::config::group;
use crate::config::listener;
use crate::config::topic;
use crate::config::voters;
use std::collections::BTreeSet;

type Checked = Result<(), ConfigError>;

pub fn check(config: &mut BrokerConfig) -> Checked {
    group::check_broker(&config.values)?;
    early_start_listeners(config)?;
    rebalance_protocols(config)?;
    numbers(config)?;
    roles(config)?;
    listeners(config)?;
    connections(config)?;
    warn(config);
    Ok(())
}

fn require(condition: bool, text: impl FnOnce() -> String) -> Checked {
    match condition {
        true => Ok(()),
        false => Err(ConfigError::Requirement(text())),
    }
}

fn early_start_listeners(config: &BrokerConfig) -> Checked {
    for name in config.values.list("early.start.listeners") {
        if !config.listeners.iter().any(|endpoint| endpoint.listener == *name) {
            return Err(ConfigError::Invalid(format!(
                "early.start.listeners contains listener {name}, but this is not contained in listeners or \
                 controller.listener.names"
            )));
        }
    }
    Ok(())
}

fn rebalance_protocols(config: &BrokerConfig) -> Checked {
    let protocols = config.values.list("group.coordinator.rebalance.protocols");
    match protocols
        .iter()
        .any(|protocol| protocol.eq_ignore_ascii_case("classic"))
    {
        true => Ok(()),
        false => Err(ConfigError::Invalid(
            "Disabling the 'classic' protocol is not supported.".to_owned(),
        )),
    }
}

fn numbers(config: &BrokerConfig) -> Checked {
    if config.node_id != config.values.int("broker.id") {
        let text = "You must set `node.id` to the same value as `broker.id`.";
        return Err(ConfigError::Invalid(text.to_owned()));
    }
    let logs = topic::broker_defaults(&config.values);
    let long = |name: &str| logs.get(name).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    require(long("segment.ms") >= 1, || {
        "log.roll.ms must be greater than or equal to 1".to_owned()
    })?;
    require(long("segment.jitter.ms") >= 0, || {
        "log.roll.jitter.ms must be greater than or equal to 0".to_owned()
    })?;
    let retention = long("retention.ms");
    require(retention >= 1 || retention == -1, || {
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1".to_owned()
    })?;
    // Kafka divides by the number of threads; with none it fails with an arithmetic error instead.
    let threads = i64::from(config.log_cleaner_threads());
    require(
        threads > 0 && config.log_cleaner_dedupe_buffer_size() / threads > 1024 * 1024,
        || "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.".to_owned(),
    )?;
    let wait = config.replica_fetch_wait_max_ms();
    require(wait <= config.values.int("replica.socket.timeout.ms"), || {
        "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket \
         timeouts"
            .to_owned()
    })?;
    require(i64::from(wait) <= config.replica_lag_time_max_ms(), || {
        "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent frequent \
         changes in ISR"
            .to_owned()
    })
}

fn roles(config: &BrokerConfig) -> Checked {
    if config.implicit {
        return Ok(());
    }
    if config.voters.is_empty() && config.bootstrap_servers.is_empty() {
        return Err(ConfigError::Invalid(
            "If using process.roles, either controller.quorum.bootstrap.servers must contain the set of bootstrap \
             controllers or controller.quorum.voters must contain a parseable set of controllers."
                .to_owned(),
        ));
    }
    if config.voters.iter().any(|(_, address)| address.host == "0.0.0.0") {
        return Err(ConfigError::Invalid(
            "Host string (0.0.0.0) is not routeable".to_owned(),
        ));
    }
    match (config.roles.broker, config.roles.controller) {
        (true, false) => broker_only(config),
        (false, _) => controller_only(config).and_then(|()| controller(config)),
        (true, true) => controller(config),
    }
}

fn voter_set(config: &BrokerConfig) -> String {
    let ids: Vec<String> = config.voters.iter().map(|(id, _)| id.to_string()).collect();
    format!("controller.quorum.voters=Set({})", ids.join(", "))
}

fn broker_only(config: &BrokerConfig) -> Checked {
    let id = config.node_id;
    require(!config.voters.iter().any(|(voter, _)| *voter == id), || {
        format!(
            "If process.roles contains just the 'broker' role, the node id {id} must not be included in the set of \
             voters {}",
            voter_set(config)
        )
    })?;
    require(config.controller_listeners().next().is_none(), || {
        "controller.listener.names must not contain a value appearing in the 'listeners' configuration when running \
         KRaft with just the broker role"
            .to_owned()
    })?;
    for name in config.controller_listener_names() {
        let name = listener::normalized(name).map_err(ConfigError::Invalid)?;
        if !config.protocols.contains_key(&name) {
            return Err(ConfigError::Invalid(format!(
                "Controller listener with name {name} defined in controller.listener.names not found in \
                 listener.security.protocol.map  (an explicit security mapping for each controller listener is required \
                 if listener.security.protocol.map is non-empty, or if there are security protocols other than \
                 PLAINTEXT in use)"
            )));
        }
    }
    require(!config.controller_quorum_auto_join(), || {
        "controller.quorum.auto.join.enable is only supported when process.roles contains the 'controller' role."
            .to_owned()
    })
}

fn controller_only(config: &BrokerConfig) -> Checked {
    require(
        config.advertised_controller_listeners().len() == config.listeners.len(),
        || {
            "The listeners config must only contain KRaft controller listeners from controller.listener.names when \
         process.roles=controller"
                .to_owned()
        },
    )?;
    let named = config.values.text("inter.broker.listener.name").is_some();
    require(
        !named
            || !config
                .controller_listener_names()
                .contains(&config.inter_broker_listener),
        || {
            "controller.listener.names must not contain an explicitly set inter.broker.listener.name configuration value \
         when process.roles=controller'"
            .to_owned()
        },
    )
}

fn controller(config: &BrokerConfig) -> Checked {
    let id = config.node_id;
    require(
        config.voters.is_empty() || config.voters.iter().any(|(voter, _)| *voter == id),
        || {
            format!(
                "If process.roles contains the 'controller' role, the node id {id} must be included in the set of voters {}",
                voter_set(config)
            )
        },
    )?;
    require(!config.advertised_controller_listeners().is_empty(), || {
        "controller.listener.names must contain at least one value appearing in the 'listeners' configuration when \
         running the KRaft controller role"
            .to_owned()
    })?;
    let opened = |name: &String| config.listeners.iter().any(|endpoint| endpoint.listener == *name);
    require(config.controller_listener_names().iter().all(opened), || {
        "controller.listener.names must only contain values appearing in the 'listeners' configuration when running \
         the KRaft controller role"
            .to_owned()
    })
}

fn listeners(config: &BrokerConfig) -> Checked {
    let told = config.advertised_broker_listeners();
    if config.roles.broker {
        let told: BTreeSet<&str> = told.iter().map(|endpoint| endpoint.listener.as_str()).collect();
        let opened: BTreeSet<&str> = config
            .listeners
            .iter()
            .map(|endpoint| endpoint.listener.as_str())
            .collect();
        let join = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(",");
        require(!told.is_empty(), || {
            "There must be at least one broker advertised listener. Perhaps all listeners appear in \
             controller.listener.names?"
                .to_owned()
        })?;
        require(told.contains(config.inter_broker_listener.as_str()), || {
            format!(
                "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options \
                 based on currently configured listeners are {}",
                join(&told)
            )
        })?;
        require(told.is_subset(&opened), || {
            format!(
                "advertised.listeners listener names must be equal to or a subset of the ones defined in listeners. \
                 Found {}. The valid options based on the current configuration are {}",
                join(&told),
                join(&opened)
            )
        })?;
        cordoned(config)?;
    }
    let unroutable = |endpoint: &listener::Endpoint| endpoint.host.as_deref() == Some("0.0.0.0");
    require(
        !told
            .iter()
            .chain(&config.advertised_controller_listeners())
            .any(unroutable),
        || {
            "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address."
                .to_owned()
        },
    )
}

fn cordoned(config: &BrokerConfig) -> Checked {
    let cordoned = config.values.list("cordoned.log.dirs");
    if cordoned.iter().any(|dir| dir == "*") {
        return require(cordoned.len() == 1, || {
            "When cordoned.log.dirs is set to *, it must not contain other values".to_owned()
        });
    }
    let unknown: Vec<&str> = cordoned
        .iter()
        .filter(|dir| !config.log_dirs().contains(dir))
        .map(String::as_str)
        .collect();
    require(unknown.is_empty(), || {
        format!(
            "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : {}",
            unknown.join(", ")
        )
    })
}

fn connections(config: &BrokerConfig) -> Checked {
    let mechanism = config.values.text("sasl.mechanism.inter.broker.protocol").unwrap_or("");
    let enabled = config.listener_value(&config.inter_broker_listener, "sasl.enabled.mechanisms")?;
    let offered = enabled.as_list().iter().any(|name| name == mechanism);
    require(!config.inter_broker_protocol.uses_sasl() || offered, || {
        "sasl.mechanism.inter.broker.protocol must be included in sasl.enabled.mechanisms when SASL is used for \
         inter-broker communication"
            .to_owned()
    })?;
    let queued = config.queued_max_request_bytes();
    require(
        queued <= 0 || queued >= i64::from(config.socket_request_max_bytes()),
        || "queued.max.request.bytes must be larger or equal to socket.request.max.bytes".to_owned(),
    )?;
    per_ip(config)?;
    let (delay, idle) = (
        config.connection_failed_authentication_delay_ms(),
        config.connections_max_idle_ms(),
    );
    require(idle < 0 || i64::from(delay) < idle, || {
        format!(
            "connection.failed.authentication.delay.ms={delay} should always be less than \
             connections.max.idle.ms={idle} to prevent failed authentication responses from timing out"
        )
    })?;
    authorizer(config.authorizer_class().unwrap_or(""))
}

/// Kafka loads the class when it starts; the one that it brings is the only one here.
fn authorizer(class: &str) -> Checked {
    match class {
        "" | "org.apache.kafka.metadata.authorizer.StandardAuthorizer" => Ok(()),
        _ => Err(ConfigError::value(
            "authorizer.class.name",
            class,
            &format!("Class {class} could not be found."),
        )),
    }
}

fn per_ip(config: &BrokerConfig) -> Checked {
    let name = "max.connections.per.ip.overrides";
    let overrides = listener::pairs(name, config.values.text(name).unwrap_or(""))?;
    for (host, limit) in &overrides {
        if limit.parse::<i32>().is_err() {
            return Err(ConfigError::value(
                name,
                &format!("{host}:{limit}"),
                "Not a number of type INT",
            ));
        }
    }
    require(config.max_connections_per_ip() != 0 || !overrides.is_empty(), || {
        format!("max.connections.per.ip can be set to zero only if {name} property is set.")
    })?;
    let invalid: Vec<&str> = overrides
        .iter()
        .map(|(host, _)| host.as_str())
        .filter(|host| !voters::is_host(host))
        .collect();
    match invalid.is_empty() {
        true => Ok(()),
        false => Err(ConfigError::Invalid(format!(
            "{name} contains invalid addresses : {}",
            invalid.join(",")
        ))),
    }
}

fn warn(config: &mut BrokerConfig) {
    let (heartbeat, session) = (
        config.broker_heartbeat_interval_ms(),
        config.broker_session_timeout_ms(),
    );
    if i64::from(heartbeat) * 2 > i64::from(session) {
        config.warnings.push(format!(
            "broker.heartbeat.interval.ms ({heartbeat} ms) must be less than or equal to half of the \
             broker.session.timeout.ms ({session} ms), or a broker may lose its lease between two heartbeats."
        ));
    }
    let broker_only = config.roles.broker && !config.roles.controller;
    if broker_only && config.controller_listener_names().len() > 1 {
        config.warnings.push(
            "controller.listener.names has multiple entries; only the first will be used since process.roles=broker"
                .to_owned(),
        );
    }
}

//! The configuration of one node: what its file and command line say, read, checked and typed.

use crate::config::Properties;
use crate::config::cross_checks;
use crate::config::error::ConfigError;
use crate::config::implicit;
use crate::config::keys;
use crate::config::listener;
use crate::config::listener::Endpoint;
use crate::config::listener::ProtocolMap;
use crate::config::listener::SecurityProtocol;
use crate::config::topic;
use crate::config::value::Value;
use crate::config::values::Values;
use crate::config::voters;
use crate::config::voters::Address;
use crate::types::NodeId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    pub broker: bool,
    pub controller: bool,
}

/// Immutable; a change at run time makes a new one (`live`). Values without a field here are methods, see `getters`.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    pub(super) given: Properties,
    pub(super) values: Values,
    /// What topics have when nothing is set for them.
    pub(super) topic_values: Values,
    /// Nobody gave roles, so this is a single node whose controller needs no listener.
    pub implicit: bool,
    pub roles: Roles,
    pub node_id: NodeId,
    /// All that are opened, controllers' included.
    pub listeners: Vec<Endpoint>,
    /// As written; none when `advertised.listeners` is not set.
    pub(super) advertised: Option<Vec<Endpoint>>,
    pub protocols: ProtocolMap,
    pub inter_broker_listener: String,
    pub inter_broker_protocol: SecurityProtocol,
    pub voters: Vec<(NodeId, Address)>,
    pub bootstrap_servers: Vec<Address>,
    /// To be logged once; nothing of it stops the start.
    pub warnings: Vec<String>,
}

impl BrokerConfig {
    /// Reads what a file and the command line give; an empty map makes a single node on localhost.
    pub fn from_properties(given: &Properties) -> Result<BrokerConfig, ConfigError> {
        let mut given = given.clone();
        let implicit = implicit::complete(&mut given);
        BrokerConfig::checked(given, implicit)
    }

    /// The same node with other values.
    pub(super) fn with_given(&self, given: Properties) -> Result<BrokerConfig, ConfigError> {
        BrokerConfig::checked(given, self.implicit)
    }

    fn checked(given: Properties, implicit: bool) -> Result<BrokerConfig, ConfigError> {
        let mut config = BrokerConfig::read(given, implicit)?;
        cross_checks::check(&mut config)?;
        // Some rules of topics are stricter than those of the broker's keys behind them.
        config.topic_values = Values::parse(keys::topic::TOPIC.iter(), &topic::broker_defaults(&config.values))?;
        Ok(config)
    }

    fn read(given: Properties, implicit: bool) -> Result<BrokerConfig, ConfigError> {
        let values = Values::parse(keys::broker_keys(), &given)?;
        let protocols = protocols(&given, &values)?;
        let (inter_broker_listener, inter_broker_protocol) = inter_broker(&given, &values, &protocols)?;
        let advertised = values.list("advertised.listeners");
        let advertised = match values.get("advertised.listeners").is_null() {
            true => None,
            false => Some(listener::parse_listeners(advertised, &protocols, false)?),
        };
        let has_role = |role: &str| values.list("process.roles").iter().any(|given| given == role);
        let servers = values.list("controller.quorum.bootstrap.servers").iter();
        Ok(BrokerConfig {
            roles: Roles {
                broker: has_role("broker"),
                controller: has_role("controller"),
            },
            node_id: values.int("node.id"),
            listeners: listener::parse_listeners(values.list("listeners"), &protocols, true)?,
            voters: voters::parse_voters(values.list("controller.quorum.voters"))?,
            bootstrap_servers: servers
                .map(|entry| voters::parse_server(entry))
                .collect::<Result<_, _>>()?,
            warnings: Vec::new(),
            implicit,
            advertised,
            protocols,
            inter_broker_listener,
            inter_broker_protocol,
            given,
            values,
            topic_values: Values::parse(keys::topic::TOPIC.iter(), &Properties::new())?,
        })
    }

    /// The typed values of all keys.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// What was set, by file, command line or for a single node; `node.id` and `broker.id` both when either was.
    pub fn given(&self) -> &Properties {
        &self.given
    }

    /// Keys that nobody knows; plug-ins would read them, so they only deserve a warning.
    pub fn unknown_keys(&self) -> Vec<&str> {
        let names = self.given.keys().map(String::as_str);
        names
            .filter(|name| keys::broker(name).is_none() && !is_prefixed(name))
            .collect()
    }

    pub fn controller_listener_names(&self) -> &[String] {
        self.values.list("controller.listener.names")
    }

    fn is_controller_listener(&self, endpoint: &Endpoint) -> bool {
        self.controller_listener_names().contains(&endpoint.listener)
    }

    /// Those that are opened for controllers.
    pub fn controller_listeners(&self) -> impl Iterator<Item = &Endpoint> {
        self.listeners
            .iter()
            .filter(|endpoint| self.is_controller_listener(endpoint))
    }

    /// Those that are opened for clients and brokers.
    pub fn broker_listeners(&self) -> impl Iterator<Item = &Endpoint> {
        self.listeners
            .iter()
            .filter(|endpoint| !self.is_controller_listener(endpoint))
    }

    /// What clients and brokers are told; a host that is none stands for this machine's name.
    pub fn advertised_broker_listeners(&self) -> Vec<Endpoint> {
        let told = self.advertised.as_ref().unwrap_or(&self.listeners).iter();
        told.filter(|endpoint| !self.is_controller_listener(endpoint))
            .cloned()
            .collect()
    }

    /// What other nodes are told about this controller; a host that is none stands for this machine's name.
    pub fn advertised_controller_listeners(&self) -> Vec<Endpoint> {
        let names = self.controller_listener_names().iter().enumerate();
        let mut told: Vec<Endpoint> = names
            .filter_map(|(index, name)| self.advertised_controller(index, name))
            .collect();
        if told.is_empty() && self.implicit {
            told.extend(
                self.controller_listener_names()
                    .first()
                    .map(|name| implicit::controller_endpoint(name)),
            );
        }
        told
    }

    fn advertised_controller(&self, index: usize, name: &str) -> Option<Endpoint> {
        let named = |endpoint: &&Endpoint| endpoint.listener.eq_ignore_ascii_case(name);
        let told = self
            .advertised
            .iter()
            .flatten()
            .filter(|endpoint| self.is_controller_listener(endpoint))
            .find(named);
        if told.is_some() {
            return told.cloned();
        }
        let mut endpoint = self.controller_listeners().find(named)?.clone();
        let everywhere = endpoint.host.as_deref().is_none_or(|host| host == "0.0.0.0");
        let voter = self.voters.iter().find(|(id, _)| *id == self.node_id);
        match voter {
            // Whoever lists this node among fixed voters knows how to reach it.
            Some((_, address)) if index == 0 && everywhere => {
                endpoint.host = Some(address.host.clone());
                endpoint.port = address.port;
            }
            _ if everywhere => endpoint.host = None,
            _ => {}
        }
        Some(endpoint)
    }

    /// Where the controllers can be asked for their leader.
    pub fn quorum_addresses(&self) -> Vec<Address> {
        match self.bootstrap_servers.is_empty() {
            true => self.voters.iter().map(|(_, address)| address.clone()).collect(),
            false => self.bootstrap_servers.clone(),
        }
    }

    /// Where the logs are.
    pub fn log_dirs(&self) -> &[String] {
        match self.values.get("log.dirs") {
            Value::Null => self.values.list("log.dir"),
            dirs => dirs.as_list(),
        }
    }

    pub fn metadata_log_dir(&self) -> &str {
        let first = self.log_dirs().first().map_or("", String::as_str);
        self.values.text("metadata.log.dir").unwrap_or(first)
    }

    /// Log directories that get no new partitions.
    pub fn cordoned_log_dirs(&self) -> &[String] {
        let cordoned = self.values.list("cordoned.log.dirs");
        match cordoned.iter().any(|dir| dir == "*") {
            true => self.log_dirs(),
            false => cordoned,
        }
    }

    /// A listener's own value of a key (`listener.name.<listener>.<key>`), or else the common one.
    pub fn listener_value(&self, listener: &str, name: &str) -> Result<Value, ConfigError> {
        let prefixed = format!("listener.name.{}.{name}", listener.to_lowercase());
        match (self.given.get(&prefixed), keys::broker(name)) {
            (Some(text), Some(key)) => key.parse(text),
            _ => Ok(self.values.get(name).clone()),
        }
    }

    /// `max.connections.per.ip.overrides`, checked at the start.
    pub fn max_connections_per_ip_overrides(&self) -> Vec<(String, i32)> {
        let text = self.values.text("max.connections.per.ip.overrides").unwrap_or("");
        let pairs = listener::pairs("max.connections.per.ip.overrides", text).unwrap_or_default();
        pairs
            .into_iter()
            .filter_map(|(host, limit)| Some((host, limit.parse().ok()?)))
            .collect()
    }
}

/// Keys of listeners and of providers have names that nobody can list.
fn is_prefixed(name: &str) -> bool {
    ["listener.name.", "config.providers."]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Controllers' listeners are plaintext without being in the map, as long as nothing asks for more security.
fn protocols(given: &Properties, values: &Values) -> Result<ProtocolMap, ConfigError> {
    let mut map = listener::parse_protocol_map(values.text("listener.security.protocol.map").unwrap_or(""))?;
    if given.contains_key("listener.security.protocol.map") {
        return Ok(map);
    }
    let is_secure = |name: &str| matches!(name, "SSL" | "SASL_SSL" | "SASL_PLAINTEXT");
    for entry in values.list("listeners") {
        let Some((name, _)) = entry.split_once(':') else {
            let needed = "Unable to parse a listener name; name://host:port is needed";
            return Err(ConfigError::value("listeners", entry, needed));
        };
        if is_secure(&name.to_uppercase()) {
            return Ok(map);
        }
    }
    let controllers = values.list("controller.listener.names");
    if !controllers.iter().any(|name| is_secure(name)) {
        map.extend(
            controllers
                .iter()
                .map(|name| (name.clone(), SecurityProtocol::Plaintext)),
        );
    }
    Ok(map)
}

fn inter_broker(
    given: &Properties,
    values: &Values,
    protocols: &ProtocolMap,
) -> Result<(String, SecurityProtocol), ConfigError> {
    let Some(name) = values.text("inter.broker.listener.name") else {
        let protocol = values
            .text("security.inter.broker.protocol")
            .and_then(SecurityProtocol::from_name);
        let protocol = protocol.unwrap_or(SecurityProtocol::Plaintext);
        return Ok((protocol.name().to_owned(), protocol));
    };
    if given.contains_key("security.inter.broker.protocol") {
        let text = "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.";
        return Err(ConfigError::Invalid(text.to_owned()));
    }
    let name = listener::normalized(name).map_err(ConfigError::Invalid)?;
    match protocols.get(&name) {
        Some(protocol) => Ok((name, *protocol)),
        None => Err(ConfigError::Invalid(format!(
            "Listener with name {name} defined in inter.broker.listener.name not found in \
             listener.security.protocol.map."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(lines: &str) -> Result<BrokerConfig, ConfigError> {
        let given = crate::config::properties::parse(&lines.replace("; ", "\n")).expect("notation");
        BrokerConfig::from_properties(&given)
    }

    fn shown(endpoints: &[Endpoint]) -> String {
        endpoints.iter().map(Endpoint::to_string).collect::<Vec<_>>().join(",")
    }

    const COMBINED: &str = "process.roles=broker,controller; node.id=1; controller.listener.names=CONTROLLER; \
                            listeners=PLAINTEXT://:9092,CONTROLLER://:9093; controller.quorum.bootstrap.servers=h:9093";

    #[test]
    fn without_any_file_it_is_a_single_node_on_localhost() {
        let node = config("").expect("defaults");
        assert_eq!(
            node.roles,
            Roles {
                broker: true,
                controller: true
            }
        );
        assert_eq!((node.node_id, node.log_dirs()), (1, &["./ottla-data".to_owned()][..]));
        assert_eq!(shown(&node.listeners), "PLAINTEXT://localhost:9092");
        assert_eq!(shown(&node.advertised_broker_listeners()), "PLAINTEXT://localhost:9092");
        assert_eq!(node.controller_listeners().count(), 0);
        assert_eq!(
            shown(&node.advertised_controller_listeners()),
            "CONTROLLER://localhost:9093"
        );
    }

    #[test]
    fn files_from_before_kraft_make_a_single_node_too() {
        let node =
            config("broker.id=3; listeners=PLAINTEXT://:9095; log.dir=/d; zookeeper.connect=z:2181").expect("old");
        assert_eq!(
            (node.node_id, node.log_dirs(), node.metadata_log_dir()),
            (3, &["/d".to_owned()][..], "/d")
        );
        assert_eq!(node.unknown_keys(), ["zookeeper.connect"]);
        assert_eq!(node.given().get("node.id").map(String::as_str), Some("3"));
    }

    #[test]
    fn what_is_advertised_follows_from_what_is_opened() {
        for (lines, brokers, controllers) in [
            ("", "PLAINTEXT://:9092", "CONTROLLER://:9093"),
            (
                "advertised.listeners=PLAINTEXT://a:1,CONTROLLER://b:2",
                "PLAINTEXT://a:1",
                "CONTROLLER://b:2",
            ),
            (
                "controller.quorum.voters=1@v:7",
                "PLAINTEXT://:9092",
                "CONTROLLER://v:7",
            ),
            (
                "listeners=PLAINTEXT://x:0, CONTROLLER://0.0.0.0:4,",
                "PLAINTEXT://x:0",
                "CONTROLLER://:4",
            ),
        ] {
            let node = config(&format!("{COMBINED}; {lines}")).expect(lines);
            assert_eq!(shown(&node.advertised_broker_listeners()), brokers, "{lines}");
            assert_eq!(shown(&node.advertised_controller_listeners()), controllers, "{lines}");
        }
    }

    #[test]
    fn contradictions_are_refused_in_the_words_of_kafka() {
        let addresses =
            "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.";
        for (lines, message) in [
            (
                "broker.id=2",
                "You must set `node.id` to the same value as `broker.id`.",
            ),
            (
                "process.roles=boss",
                "Invalid value boss for configuration process.roles: String must be one of: broker, controller",
            ),
            (
                "log.retention.ms=0",
                "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
            ),
            ("log.roll.ms=0", "log.roll.ms must be greater than or equal to 1"),
            (
                "log.cleaner.threads=0",
                "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
            ),
            (
                "replica.lag.time.max.ms=1",
                "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent frequent changes in ISR",
            ),
            (
                "controller.quorum.bootstrap.servers=",
                "If using process.roles, either controller.quorum.bootstrap.servers must contain the set of bootstrap controllers or controller.quorum.voters must contain a parseable set of controllers.",
            ),
            (
                "controller.quorum.voters=2@h:1",
                "If process.roles contains the 'controller' role, the node id 1 must be included in the set of voters controller.quorum.voters=Set(2)",
            ),
            (
                "controller.listener.names=CONTROLLER,X",
                "controller.listener.names must only contain values appearing in the 'listeners' configuration when running the KRaft controller role",
            ),
            (
                "process.roles=broker",
                "controller.listener.names must not contain a value appearing in the 'listeners' configuration when running KRaft with just the broker role",
            ),
            (
                "process.roles=controller",
                "The listeners config must only contain KRaft controller listeners from controller.listener.names when process.roles=controller",
            ),
            (
                "controller.quorum.voters=1@0.0.0.0:1",
                "Host string (0.0.0.0) is not routeable",
            ),
            ("listeners=,", "Configuration 'listeners' values must not be empty."),
            (
                "principal.builder.class=a.B",
                "Invalid value a.B for configuration principal.builder.class: Class a.B could not be found.",
            ),
            (
                "authorizer.class.name=a.B",
                "Invalid value a.B for configuration authorizer.class.name: Class a.B could not be found.",
            ),
            (
                "listeners=CONTROLLER://:1",
                "There must be at least one broker advertised listener. Perhaps all listeners appear in controller.listener.names?",
            ),
            (
                "inter.broker.listener.name=SSL",
                "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options based on currently configured listeners are PLAINTEXT",
            ),
            (
                "inter.broker.listener.name=X",
                "Listener with name X defined in inter.broker.listener.name not found in listener.security.protocol.map.",
            ),
            (
                "inter.broker.listener.name=PLAINTEXT; security.inter.broker.protocol=SSL",
                "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.",
            ),
            (
                "advertised.listeners=PLAINTEXT://h:1,SSL://h:2",
                "advertised.listeners listener names must be equal to or a subset of the ones defined in listeners. Found PLAINTEXT,SSL. The valid options based on the current configuration are CONTROLLER,PLAINTEXT",
            ),
            ("advertised.listeners=PLAINTEXT://0.0.0.0:1", addresses),
            ("listeners=PLAINTEXT://0.0.0.0:1,CONTROLLER://:2", addresses),
            (
                "cordoned.log.dirs=/none",
                "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : /none",
            ),
            (
                "queued.max.request.bytes=1",
                "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
            ),
            (
                "max.connections.per.ip=0",
                "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
            ),
            (
                "max.connections.per.ip.overrides=a b:1",
                "max.connections.per.ip.overrides contains invalid addresses : a b",
            ),
            (
                "connections.max.idle.ms=100",
                "connection.failed.authentication.delay.ms=100 should always be less than connections.max.idle.ms=100 to prevent failed authentication responses from timing out",
            ),
            (
                "early.start.listeners=SSL",
                "early.start.listeners contains listener SSL, but this is not contained in listeners or controller.listener.names",
            ),
            (
                "group.coordinator.rebalance.protocols=consumer",
                "Disabling the 'classic' protocol is not supported.",
            ),
            (
                "listener.security.protocol.map=PLAINTEXT:TLS",
                "Invalid security protocol `TLS` defined in listener.security.protocol.map: one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL is needed",
            ),
            (
                "listener.security.protocol.map=PLAINTEXT:PLAINTEXT",
                "Error creating broker listeners from '[PLAINTEXT://:9092, CONTROLLER://:9093]': No security protocol defined for listener CONTROLLER",
            ),
            (
                "listeners=SASL_PLAINTEXT://:1,CONTROLLER://:2; security.inter.broker.protocol=SASL_PLAINTEXT; sasl.enabled.mechanisms=PLAIN; listener.security.protocol.map=CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
                "sasl.mechanism.inter.broker.protocol must be included in sasl.enabled.mechanisms when SASL is used for inter-broker communication",
            ),
        ] {
            let refused = config(&format!("{COMBINED}; {lines}"))
                .map(|_| ())
                .map_err(|error| error.to_string());
            assert_eq!(refused, Err(message.to_owned()), "{lines}");
        }
        let without_id = config("process.roles=broker; controller.listener.names=C")
            .map(|_| ())
            .map_err(|e| e.to_string());
        assert_eq!(
            without_id,
            Err("Missing required configuration \"node.id\" which has no default value.".to_owned())
        );
    }

    #[test]
    fn brokers_and_controllers_may_be_apart() {
        let broker = config(
            "process.roles=broker; node.id=2; controller.listener.names=C,D; listeners=PLAINTEXT://:9092; \
             controller.quorum.voters=1@h:9093",
        );
        let broker = broker.expect("a broker");
        assert_eq!(broker.protocols.get("C"), Some(&SecurityProtocol::Plaintext));
        assert_eq!(broker.warnings.len(), 1);
        let controller = "process.roles=controller; node.id=1; controller.listener.names=C; listeners=C://:9093; \
                          controller.quorum.voters=1@h:9093";
        assert_eq!(
            shown(
                &config(controller)
                    .expect("a controller")
                    .advertised_controller_listeners()
            ),
            "C://h:9093"
        );
    }

    #[test]
    fn a_listener_may_have_values_of_its_own() {
        let node = config("listener.name.plaintext.max.connections=5; max.connections=9").expect("valid");
        assert_eq!(node.listener_value("PLAINTEXT", "max.connections"), Ok(Value::Int(5)));
        assert_eq!(node.listener_value("OTHER", "max.connections"), Ok(Value::Int(9)));
    }
}

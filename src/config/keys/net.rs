//! Listeners, sockets and connections.

use crate::config::key::keys;

keys! { NET:
    "listeners" List = "PLAINTEXT://:9092", SomeNames, High, PerBroker,
        "Addresses to listen on, as NAME://host:port; an empty host means every interface.";
    "advertised.listeners" List = null, SomeNamesOrNull, High, ReadOnly,
        "Addresses that clients and other nodes are told to connect to; without it, those of listeners.";
    "listener.security.protocol.map" String = "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT", Any, Low, PerBroker,
        "Security protocol of each listener name, as NAME:PROTOCOL.";
    "inter.broker.listener.name" String = null, Any, Medium, ReadOnly,
        "Listener through which brokers reach each other.";
    "security.inter.broker.protocol" String = "PLAINTEXT", OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]), Medium, ReadOnly,
        "Security protocol between brokers; its name is the listener's when inter.broker.listener.name is not set.";
    "early.start.listeners" List = null, NamesOrNull, High, ReadOnly,
        "Listeners that may open before the authorizer is ready; without it, those of the controller.";
    "controller.listener.names" List = required, SomeNames, High, ReadOnly,
        "Names of the listeners that serve controllers; a broker uses the first to reach them.";
    "socket.send.buffer.bytes" Int = "102400", Any, High, ReadOnly,
        "SO_SNDBUF of server sockets; -1 leaves the choice to the operating system.";
    "socket.receive.buffer.bytes" Int = "102400", Any, High, ReadOnly,
        "SO_RCVBUF of server sockets; -1 leaves the choice to the operating system.";
    "socket.request.max.bytes" Int = "104857600", AtLeast(1), High, ReadOnly,
        "Largest request that is read; a connection that announces more is closed.";
    "socket.listen.backlog.size" Int = "50", AtLeast(1), Medium, ReadOnly,
        "Connections that may wait to be accepted.";
    "socket.connection.setup.timeout.ms" Long = "10000", Any, Medium, ReadOnly,
        "How long to wait for an outgoing connection at first.";
    "socket.connection.setup.timeout.max.ms" Long = "30000", Any, Medium, ReadOnly,
        "Upper limit of that wait after repeated failures.";
    "max.connections" Int = "2147483647", AtLeast(0), Medium, ClusterWide,
        "Most connections at a time; may be set for one listener with its prefix.";
    "max.connections.per.ip" Int = "2147483647", AtLeast(0), Medium, ClusterWide,
        "Most connections at a time from one address.";
    "max.connections.per.ip.overrides" String = "", Any, Medium, ClusterWide,
        "Other limits for single addresses or host names, as host:limit.";
    "max.connection.creation.rate" Int = "2147483647", AtLeast(0), Medium, ClusterWide,
        "Most new connections per second; may be set for one listener with its prefix.";
    "connections.max.idle.ms" Long = "600000", Any, Medium, ReadOnly,
        "Connections that are silent for longer are closed.";
    "connections.max.reauth.ms" Long = "0", Any, Medium, ReadOnly,
        "Longest life of a SASL session before the client must authenticate again; 0 means no limit.";
    "connection.failed.authentication.delay.ms" Int = "100", AtLeast(0), Low, ReadOnly,
        "Wait before a connection is closed after a failed authentication.";
    "queued.max.requests" Int = "500", AtLeast(1), High, ReadOnly,
        "Requests that may wait to be handled before no more are read.";
    "queued.max.request.bytes" Long = "-1", Any, Medium, ReadOnly,
        "Bytes of requests that may wait before no more are read; -1 means no limit.";
    "request.timeout.ms" Int = "30000", Any, High, ReadOnly,
        "How long this node waits for the answer to a request of its own.";
    "num.network.threads" Int = "3", AtLeast(1), High, ClusterWide,
        "Threads that read requests and write responses.";
    "num.io.threads" Int = "8", AtLeast(1), High, ClusterWide,
        "Threads that handle requests, disk access included.";
    "background.threads" Int = "10", AtLeast(1), High, ClusterWide,
        "Threads for housekeeping.";
    "max.request.partition.size.limit" Int = "2000", AtLeast(1), Medium, ReadOnly,
        "Most partitions that one paged request may return.";
}

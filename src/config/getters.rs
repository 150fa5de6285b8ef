//! The broker's plain values by name: one line a key.

use crate::config::broker::BrokerConfig;

macro_rules! getters {
    ($($name:ident: $type:ident = $key:literal;)*) => {
        impl BrokerConfig {
            $(
                #[doc = concat!("`", $key, "`")]
                pub fn $name(&self) -> getters!(@type $type) {
                    self.values.$type($key)
                }
            )*
        }

        #[cfg(test)]
        pub fn read_all(config: &BrokerConfig) {
            $(let _ = config.$name();)*
        }
    };
    (@type boolean) => { bool };
    (@type int) => { i32 };
    (@type long) => { i64 };
    (@type double) => { f64 };
    (@type optional_long) => { Option<i64> };
    (@type text) => { Option<&str> };
    (@type list) => { &[String] };
}

getters! {
    rack: text = "broker.rack";
    auto_create_topics_enable: boolean = "auto.create.topics.enable";
    delete_topic_enable: boolean = "delete.topic.enable";
    num_partitions: int = "num.partitions";
    default_replication_factor: int = "default.replication.factor";
    message_max_bytes: int = "message.max.bytes";
    fetch_max_bytes: int = "fetch.max.bytes";
    max_fetch_sessions: int = "max.incremental.fetch.session.cache.slots";
    max_request_partition_size_limit: int = "max.request.partition.size.limit";
    unstable_api_versions: boolean = "unstable.api.versions.enable";
    unstable_feature_versions: boolean = "unstable.feature.versions.enable";
    authorizer_class: text = "authorizer.class.name";
    controlled_shutdown_enable: boolean = "controlled.shutdown.enable";
    telemetry_max_bytes: int = "telemetry.max.bytes";

    socket_send_buffer_bytes: int = "socket.send.buffer.bytes";
    socket_receive_buffer_bytes: int = "socket.receive.buffer.bytes";
    socket_request_max_bytes: int = "socket.request.max.bytes";
    socket_listen_backlog_size: int = "socket.listen.backlog.size";
    max_connections: int = "max.connections";
    max_connections_per_ip: int = "max.connections.per.ip";
    max_connection_creation_rate: int = "max.connection.creation.rate";
    connections_max_idle_ms: long = "connections.max.idle.ms";
    connection_failed_authentication_delay_ms: int = "connection.failed.authentication.delay.ms";
    queued_max_requests: int = "queued.max.requests";
    queued_max_request_bytes: long = "queued.max.request.bytes";
    request_timeout_ms: int = "request.timeout.ms";
    num_network_threads: int = "num.network.threads";
    num_io_threads: int = "num.io.threads";
    background_threads: int = "background.threads";

    controller_socket_timeout_ms: int = "controller.socket.timeout.ms";
    initial_broker_registration_timeout_ms: int = "initial.broker.registration.timeout.ms";
    broker_heartbeat_interval_ms: int = "broker.heartbeat.interval.ms";
    broker_session_timeout_ms: int = "broker.session.timeout.ms";
    initial_registration_timeout_ms: int = "initial.broker.registration.timeout.ms";
    controller_quorum_append_linger_ms: int = "controller.quorum.append.linger.ms";
    controller_quorum_auto_join: boolean = "controller.quorum.auto.join.enable";
    controller_quorum_fetch_max_bytes: int = "controller.quorum.fetch.max.bytes";
    controller_quorum_fetch_snapshot_max_bytes: int = "controller.quorum.fetch.snapshot.max.bytes";
    controller_quorum_fetch_timeout_ms: int = "controller.quorum.fetch.timeout.ms";
    controller_quorum_request_timeout_ms: int = "controller.quorum.request.timeout.ms";
    controller_quorum_retry_backoff_ms: int = "controller.quorum.retry.backoff.ms";
    metadata_segment_bytes: int = "metadata.log.segment.bytes";
    internal_metadata_segment_bytes: optional_long = "internal.metadata.log.segment.bytes";
    metadata_segment_ms: long = "metadata.log.segment.ms";
    metadata_snapshot_max_new_bytes: long = "metadata.log.max.record.bytes.between.snapshots";
    metadata_snapshot_max_interval_ms: long = "metadata.log.max.snapshot.interval.ms";
    metadata_max_idle_interval_ms: int = "metadata.max.idle.interval.ms";
    metadata_max_retention_bytes: long = "metadata.max.retention.bytes";
    metadata_max_retention_ms: long = "metadata.max.retention.ms";
    internal_metadata_delete_delay_ms: long = "internal.metadata.delete.delay.millis";
    internal_metadata_max_batch_bytes: int = "internal.metadata.max.batch.size.in.bytes";
    auto_leader_rebalance_enable: boolean = "auto.leader.rebalance.enable";
    leader_imbalance_check_interval_seconds: long = "leader.imbalance.check.interval.seconds";
    unclean_leader_election_interval_ms: long = "unclean.leader.election.interval.ms";

    num_replica_fetchers: int = "num.replica.fetchers";
    replica_fetch_max_bytes: int = "replica.fetch.max.bytes";
    replica_fetch_min_bytes: int = "replica.fetch.min.bytes";
    replica_fetch_wait_max_ms: int = "replica.fetch.wait.max.ms";
    replica_fetch_response_max_bytes: int = "replica.fetch.response.max.bytes";
    replica_fetch_backoff_ms: int = "replica.fetch.backoff.ms";
    replica_lag_time_max_ms: long = "replica.lag.time.max.ms";
    replica_high_watermark_checkpoint_interval_ms: long = "replica.high.watermark.checkpoint.interval.ms";
    replica_selector_class: text = "replica.selector.class";

    log_retention_check_interval_ms: long = "log.retention.check.interval.ms";
    log_flush_scheduler_interval_ms: long = "log.flush.scheduler.interval.ms";
    log_flush_offset_checkpoint_interval_ms: int = "log.flush.offset.checkpoint.interval.ms";
    log_flush_start_offset_checkpoint_interval_ms: int = "log.flush.start.offset.checkpoint.interval.ms";
    log_initial_task_delay_ms: long = "log.initial.task.delay.ms";
    log_dir_failure_timeout_ms: long = "log.dir.failure.timeout.ms";
    log_cleaner_enable: boolean = "log.cleaner.enable";
    log_cleaner_threads: int = "log.cleaner.threads";
    log_cleaner_backoff_ms: long = "log.cleaner.backoff.ms";
    log_cleaner_dedupe_buffer_size: long = "log.cleaner.dedupe.buffer.size";
    log_cleaner_io_buffer_size: int = "log.cleaner.io.buffer.size";
    log_cleaner_io_buffer_load_factor: double = "log.cleaner.io.buffer.load.factor";
    log_cleaner_io_max_bytes_per_second: double = "log.cleaner.io.max.bytes.per.second";
    num_recovery_threads_per_data_dir: int = "num.recovery.threads.per.data.dir";
    producer_id_expiration_ms: int = "producer.id.expiration.ms";
    producer_id_expiration_check_interval_ms: int = "producer.id.expiration.check.interval.ms";
    min_insync_replicas: int = "min.insync.replicas";
    unclean_leader_election_enable: boolean = "unclean.leader.election.enable";

    quota_window_num: int = "quota.window.num";
    quota_window_size_seconds: int = "quota.window.size.seconds";
    controller_quota_window_num: int = "controller.quota.window.num";
    controller_quota_window_size_seconds: int = "controller.quota.window.size.seconds";

    offsets_topic_num_partitions: int = "offsets.topic.num.partitions";
    offsets_topic_replication_factor: int = "offsets.topic.replication.factor";
    offsets_topic_segment_bytes: int = "offsets.topic.segment.bytes";
    transaction_log_num_partitions: int = "transaction.state.log.num.partitions";
    transaction_log_replication_factor: int = "transaction.state.log.replication.factor";
    transaction_log_min_isr: int = "transaction.state.log.min.isr";
    transaction_log_segment_bytes: int = "transaction.state.log.segment.bytes";
    share_log_num_partitions: int = "share.coordinator.state.topic.num.partitions";
    share_log_replication_factor: int = "share.coordinator.state.topic.replication.factor";
    share_log_min_isr: int = "share.coordinator.state.topic.min.isr";
    share_log_segment_bytes: int = "share.coordinator.state.topic.segment.bytes";
    transaction_max_timeout_ms: int = "transaction.max.timeout.ms";
    transactional_id_expiration_ms: int = "transactional.id.expiration.ms";
    transaction_partition_verification: boolean = "transaction.partition.verification.enable";

    remote_storage_enable: boolean = "remote.log.storage.system.enable";
}

#[cfg(test)]
mod tests {
    use crate::config::BrokerConfig;
    use crate::config::Properties;

    #[test]
    fn every_getter_names_a_key_of_its_type() {
        super::read_all(&BrokerConfig::from_properties(&Properties::new()).expect("defaults"));
    }
}

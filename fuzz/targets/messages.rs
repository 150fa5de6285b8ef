//! Every message and record that is declared, in every version: what decodes must encode, and decode again to the same.

use bytes::Bytes;
use ottla::schema::Message;
use ottla::schema::wire::Reader;
use ottla::schema::writer::Writer;

pub struct Row {
    pub versions: std::ops::RangeInclusive<i16>,
    run: fn(&[u8], i16),
    /// An empty message, to begin with.
    pub sample: fn(i16) -> Vec<u8>,
}

macro_rules! messages {
    ($($module:ident $name:ident;)*) => {
        pub const MESSAGES: &[Row] = &[$(row::<ottla::schema::$module::$name>()),*];
    };
}

messages! {
    abort_transaction_record AbortTransactionRecord;
    access_control_entry_record AccessControlEntryRecord;
    allocate_producer_ids_request AllocateProducerIdsRequest;
    allocate_producer_ids_response AllocateProducerIdsResponse;
    alter_client_quotas_request AlterClientQuotasRequest;
    alter_client_quotas_response AlterClientQuotasResponse;
    alter_configs_request AlterConfigsRequest;
    alter_configs_response AlterConfigsResponse;
    alter_partition_reassignments_request AlterPartitionReassignmentsRequest;
    alter_partition_reassignments_response AlterPartitionReassignmentsResponse;
    alter_partition_request AlterPartitionRequest;
    alter_partition_response AlterPartitionResponse;
    alter_replica_log_dirs_request AlterReplicaLogDirsRequest;
    alter_replica_log_dirs_response AlterReplicaLogDirsResponse;
    alter_user_scram_credentials_request AlterUserScramCredentialsRequest;
    alter_user_scram_credentials_response AlterUserScramCredentialsResponse;
    api_versions_request ApiVersionsRequest;
    api_versions_response ApiVersionsResponse;
    assign_replicas_to_dirs_request AssignReplicasToDirsRequest;
    assign_replicas_to_dirs_response AssignReplicasToDirsResponse;
    begin_quorum_epoch_request BeginQuorumEpochRequest;
    begin_quorum_epoch_response BeginQuorumEpochResponse;
    begin_transaction_record BeginTransactionRecord;
    broker_heartbeat_request BrokerHeartbeatRequest;
    broker_heartbeat_response BrokerHeartbeatResponse;
    broker_registration_change_record BrokerRegistrationChangeRecord;
    broker_registration_request BrokerRegistrationRequest;
    broker_registration_response BrokerRegistrationResponse;
    clear_elr_record ClearElrRecord;
    client_quota_record ClientQuotaRecord;
    config_record ConfigRecord;
    consumer_group_current_member_assignment_key ConsumerGroupCurrentMemberAssignmentKey;
    consumer_group_current_member_assignment_value ConsumerGroupCurrentMemberAssignmentValue;
    consumer_group_describe_request ConsumerGroupDescribeRequest;
    consumer_group_describe_response ConsumerGroupDescribeResponse;
    consumer_group_heartbeat_request ConsumerGroupHeartbeatRequest;
    consumer_group_heartbeat_response ConsumerGroupHeartbeatResponse;
    consumer_group_member_metadata_key ConsumerGroupMemberMetadataKey;
    consumer_group_member_metadata_value ConsumerGroupMemberMetadataValue;
    consumer_group_metadata_key ConsumerGroupMetadataKey;
    consumer_group_metadata_value ConsumerGroupMetadataValue;
    consumer_group_partition_metadata_key ConsumerGroupPartitionMetadataKey;
    consumer_group_partition_metadata_value ConsumerGroupPartitionMetadataValue;
    consumer_group_regular_expression_key ConsumerGroupRegularExpressionKey;
    consumer_group_regular_expression_value ConsumerGroupRegularExpressionValue;
    consumer_group_target_assignment_member_key ConsumerGroupTargetAssignmentMemberKey;
    consumer_group_target_assignment_member_value ConsumerGroupTargetAssignmentMemberValue;
    consumer_group_target_assignment_metadata_key ConsumerGroupTargetAssignmentMetadataKey;
    consumer_group_target_assignment_metadata_value ConsumerGroupTargetAssignmentMetadataValue;
    consumer_protocol_assignment ConsumerProtocolAssignment;
    consumer_protocol_subscription ConsumerProtocolSubscription;
    controller_registration_request ControllerRegistrationRequest;
    controller_registration_response ControllerRegistrationResponse;
    create_partitions_request CreatePartitionsRequest;
    create_partitions_response CreatePartitionsResponse;
    create_topics_request CreateTopicsRequest;
    create_topics_response CreateTopicsResponse;
    default_principal_data DefaultPrincipalData;
    delegation_token_record DelegationTokenRecord;
    delete_groups_request DeleteGroupsRequest;
    delete_groups_response DeleteGroupsResponse;
    delete_records_request DeleteRecordsRequest;
    delete_records_response DeleteRecordsResponse;
    delete_topics_request DeleteTopicsRequest;
    delete_topics_response DeleteTopicsResponse;
    describe_client_quotas_request DescribeClientQuotasRequest;
    describe_client_quotas_response DescribeClientQuotasResponse;
    describe_cluster_request DescribeClusterRequest;
    describe_cluster_response DescribeClusterResponse;
    describe_configs_request DescribeConfigsRequest;
    describe_configs_response DescribeConfigsResponse;
    describe_groups_request DescribeGroupsRequest;
    describe_groups_response DescribeGroupsResponse;
    describe_log_dirs_request DescribeLogDirsRequest;
    describe_log_dirs_response DescribeLogDirsResponse;
    describe_producers_request DescribeProducersRequest;
    describe_producers_response DescribeProducersResponse;
    describe_quorum_request DescribeQuorumRequest;
    describe_quorum_response DescribeQuorumResponse;
    describe_topic_partitions_request DescribeTopicPartitionsRequest;
    describe_topic_partitions_response DescribeTopicPartitionsResponse;
    describe_user_scram_credentials_request DescribeUserScramCredentialsRequest;
    describe_user_scram_credentials_response DescribeUserScramCredentialsResponse;
    elect_leaders_request ElectLeadersRequest;
    elect_leaders_response ElectLeadersResponse;
    end_quorum_epoch_request EndQuorumEpochRequest;
    end_quorum_epoch_response EndQuorumEpochResponse;
    end_transaction_record EndTransactionRecord;
    end_txn_marker EndTxnMarker;
    envelope_request EnvelopeRequest;
    envelope_response EnvelopeResponse;
    feature_level_record FeatureLevelRecord;
    fence_broker_record FenceBrokerRecord;
    fetch_request FetchRequest;
    fetch_response FetchResponse;
    fetch_snapshot_request FetchSnapshotRequest;
    fetch_snapshot_response FetchSnapshotResponse;
    find_coordinator_request FindCoordinatorRequest;
    find_coordinator_response FindCoordinatorResponse;
    group_metadata_key GroupMetadataKey;
    group_metadata_value GroupMetadataValue;
    heartbeat_request HeartbeatRequest;
    heartbeat_response HeartbeatResponse;
    incremental_alter_configs_request IncrementalAlterConfigsRequest;
    incremental_alter_configs_response IncrementalAlterConfigsResponse;
    init_producer_id_request InitProducerIdRequest;
    init_producer_id_response InitProducerIdResponse;
    join_group_request JoinGroupRequest;
    join_group_response JoinGroupResponse;
    k_raft_version_record KRaftVersionRecord;
    leader_change_message LeaderChangeMessage;
    leave_group_request LeaveGroupRequest;
    leave_group_response LeaveGroupResponse;
    legacy_offset_commit_key LegacyOffsetCommitKey;
    legacy_offset_commit_value LegacyOffsetCommitValue;
    list_config_resources_request ListConfigResourcesRequest;
    list_config_resources_response ListConfigResourcesResponse;
    list_groups_request ListGroupsRequest;
    list_groups_response ListGroupsResponse;
    list_offsets_request ListOffsetsRequest;
    list_offsets_response ListOffsetsResponse;
    list_partition_reassignments_request ListPartitionReassignmentsRequest;
    list_partition_reassignments_response ListPartitionReassignmentsResponse;
    metadata_request MetadataRequest;
    metadata_response MetadataResponse;
    no_op_record NoOpRecord;
    offset_commit_key OffsetCommitKey;
    offset_commit_request OffsetCommitRequest;
    offset_commit_response OffsetCommitResponse;
    offset_commit_value OffsetCommitValue;
    offset_delete_request OffsetDeleteRequest;
    offset_delete_response OffsetDeleteResponse;
    offset_fetch_request OffsetFetchRequest;
    offset_fetch_response OffsetFetchResponse;
    offset_for_leader_epoch_request OffsetForLeaderEpochRequest;
    offset_for_leader_epoch_response OffsetForLeaderEpochResponse;
    partition_change_record PartitionChangeRecord;
    partition_record PartitionRecord;
    produce_request ProduceRequest;
    produce_response ProduceResponse;
    producer_ids_record ProducerIdsRecord;
    register_broker_record RegisterBrokerRecord;
    register_controller_record RegisterControllerRecord;
    remove_access_control_entry_record RemoveAccessControlEntryRecord;
    remove_delegation_token_record RemoveDelegationTokenRecord;
    remove_topic_record RemoveTopicRecord;
    remove_user_scram_credential_record RemoveUserScramCredentialRecord;
    request_header RequestHeader;
    response_header ResponseHeader;
    sasl_authenticate_request SaslAuthenticateRequest;
    sasl_authenticate_response SaslAuthenticateResponse;
    sasl_handshake_request SaslHandshakeRequest;
    sasl_handshake_response SaslHandshakeResponse;
    snapshot_footer_record SnapshotFooterRecord;
    snapshot_header_record SnapshotHeaderRecord;
    sync_group_request SyncGroupRequest;
    sync_group_response SyncGroupResponse;
    topic_record TopicRecord;
    unfence_broker_record UnfenceBrokerRecord;
    unregister_broker_record UnregisterBrokerRecord;
    unregister_broker_request UnregisterBrokerRequest;
    unregister_broker_response UnregisterBrokerResponse;
    update_features_request UpdateFeaturesRequest;
    update_features_response UpdateFeaturesResponse;
    user_scram_credential_record UserScramCredentialRecord;
    vote_request VoteRequest;
    vote_response VoteResponse;
    voters_record VotersRecord;
    zk_migration_state_record ZkMigrationStateRecord;
}

const fn row<M: Message>() -> Row {
    Row {
        versions: M::FIRST_VERSION..=M::LAST_VERSION,
        run: run::<M>,
        sample: |version| encode(&M::default(), version).to_vec(),
    }
}

/// The first byte chooses the message, the second its version.
pub fn fuzz(data: &[u8]) {
    let Some(([which, version], body)) = data.split_first_chunk::<2>() else {
        return;
    };
    let row = &MESSAGES[usize::from(*which) % MESSAGES.len()];
    let (first, last) = (*row.versions.start(), *row.versions.end());
    (row.run)(body, first + i16::from(*version) % (last - first + 1));
}

fn encode<M: Message>(message: &M, version: i16) -> Bytes {
    let mut writer = Writer::default();
    message.encode(&mut writer, version);
    writer.into_bytes()
}

fn run<M: Message>(body: &[u8], version: i16) {
    let Ok(message) = M::decode(&mut Reader::new(Bytes::copy_from_slice(body)), version) else {
        return;
    };
    let once = encode(&message, version);
    // What we have written ourselves may need the room that unknown tags had before.
    let Ok(again) = M::decode(&mut Reader::new(once.clone()), version) else {
        panic!("cannot read its own writing");
    };
    assert_eq!(encode(&again, version), once);
}

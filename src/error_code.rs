//! Kafka's error numbers, and the text that the protocol sends for each where a handler gives none of its own.

/// One line a code: its name here, its number, its text.
macro_rules! error_codes {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i16)]
        pub enum ErrorCode {
            $($name = $code,)*
        }

        impl ErrorCode {
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name,)*];

            /// What clients print; equal to Kafka's, because people and tests search for it.
            pub fn text(self) -> &'static str {
                match self {
                    $(ErrorCode::$name => $text,)*
                }
            }
        }
    };
}

impl ErrorCode {
    pub fn code(self) -> i16 {
        self as i16
    }

    pub fn from_code(code: i16) -> ErrorCode {
        let found = Self::ALL.iter().find(|error| error.code() == code);
        found.copied().unwrap_or(ErrorCode::UnknownServerError)
    }

    /// As Kafka's log writes it: `NOT_CONTROLLER`.
    pub fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_uppercase());
        }
        name
    }

    pub fn is_none(self) -> bool {
        self == ErrorCode::None
    }
}

error_codes! {
    UnknownServerError = -1, "The server experienced an unexpected error when processing the request.";
    None = 0, "";
    OffsetOutOfRange = 1, "The requested offset is not within the range of offsets maintained by the server.";
    CorruptMessage = 2, "This message has failed its CRC checksum, exceeds the valid size, has a null key for a compacted topic, or is otherwise corrupt.";
    UnknownTopicOrPartition = 3, "This server does not host this topic-partition.";
    InvalidFetchSize = 4, "The requested fetch size is invalid.";
    LeaderNotAvailable = 5, "There is no leader for this topic-partition as we are in the middle of a leadership election.";
    NotLeaderOrFollower = 6, "For requests intended only for the leader, this error indicates that the broker is not the current leader. For requests intended for any replica, this error indicates that the broker is not a replica of the topic partition.";
    RequestTimedOut = 7, "The request timed out.";
    BrokerNotAvailable = 8, "The broker is not available.";
    ReplicaNotAvailable = 9, "The replica is not available for the requested topic-partition. Produce/Fetch requests and other requests intended only for the leader or follower return NOT_LEADER_OR_FOLLOWER if the broker is not a replica of the topic-partition.";
    MessageTooLarge = 10, "The request included a message larger than the max message size the server will accept.";
    StaleControllerEpoch = 11, "The controller moved to another broker.";
    OffsetMetadataTooLarge = 12, "The metadata field of the offset request was too large.";
    NetworkException = 13, "The server disconnected before a response was received.";
    CoordinatorLoadInProgress = 14, "The coordinator is loading and hence can't process requests.";
    CoordinatorNotAvailable = 15, "The coordinator is not available.";
    NotCoordinator = 16, "This is not the correct coordinator.";
    InvalidTopicException = 17, "The request attempted to perform an operation on an invalid topic.";
    RecordListTooLarge = 18, "The request included message batch larger than the configured segment size on the server.";
    NotEnoughReplicas = 19, "Messages are rejected since there are fewer in-sync replicas than required.";
    NotEnoughReplicasAfterAppend = 20, "Messages are written to the log, but to fewer in-sync replicas than required.";
    InvalidRequiredAcks = 21, "Produce request specified an invalid value for required acks.";
    IllegalGeneration = 22, "Specified group generation id is not valid.";
    InconsistentGroupProtocol = 23, "The group member's supported protocols are incompatible with those of existing members or first group member tried to join with empty protocol type or empty protocol list.";
    InvalidGroupId = 24, "The group id is invalid.";
    UnknownMemberId = 25, "The coordinator is not aware of this member.";
    InvalidSessionTimeout = 26, "The session timeout is not within the range allowed by the broker (as configured by group.min.session.timeout.ms and group.max.session.timeout.ms).";
    RebalanceInProgress = 27, "The group is rebalancing, so a rejoin is needed.";
    InvalidCommitOffsetSize = 28, "The committing offset data size is not valid.";
    TopicAuthorizationFailed = 29, "Topic authorization failed.";
    GroupAuthorizationFailed = 30, "Group authorization failed.";
    ClusterAuthorizationFailed = 31, "Cluster authorization failed.";
    InvalidTimestamp = 32, "The timestamp of the message is out of acceptable range.";
    UnsupportedSaslMechanism = 33, "The broker does not support the requested SASL mechanism.";
    IllegalSaslState = 34, "Request is not valid given the current SASL state.";
    UnsupportedVersion = 35, "The version of API is not supported.";
    TopicAlreadyExists = 36, "Topic with this name already exists.";
    InvalidPartitions = 37, "Number of partitions is below 1.";
    InvalidReplicationFactor = 38, "Replication factor is below 1 or larger than the number of available brokers.";
    InvalidReplicaAssignment = 39, "Replica assignment is invalid.";
    InvalidConfig = 40, "Configuration is invalid.";
    NotController = 41, "This is not the correct controller for this cluster.";
    InvalidRequest = 42, "This most likely occurs because of a request being malformed by the client library or the message was sent to an incompatible broker. See the broker logs for more details.";
    UnsupportedForMessageFormat = 43, "The message format version on the broker does not support the request.";
    PolicyViolation = 44, "Request parameters do not satisfy the configured policy.";
    OutOfOrderSequenceNumber = 45, "The broker received an out of order sequence number.";
    DuplicateSequenceNumber = 46, "The broker received a duplicate sequence number.";
    InvalidProducerEpoch = 47, "Producer attempted to produce with an old epoch.";
    InvalidTxnState = 48, "The producer attempted a transactional operation in an invalid state.";
    InvalidProducerIdMapping = 49, "The producer attempted to use a producer id which is not currently assigned to its transactional id.";
    InvalidTransactionTimeout = 50, "The transaction timeout is larger than the maximum value allowed by the broker (as configured by transaction.max.timeout.ms).";
    ConcurrentTransactions = 51, "The producer attempted to update a transaction while another concurrent operation on the same transaction was ongoing.";
    TransactionCoordinatorFenced = 52, "Indicates that the transaction coordinator sending a WriteTxnMarker is no longer the current coordinator for a given producer.";
    TransactionalIdAuthorizationFailed = 53, "Transactional Id authorization failed.";
    SecurityDisabled = 54, "Security features are disabled.";
    OperationNotAttempted = 55, "The broker did not attempt to execute this operation. This may happen for batched RPCs where some operations in the batch failed, causing the broker to respond without trying the rest.";
    KafkaStorageError = 56, "Disk error when trying to access log file on the disk.";
    LogDirNotFound = 57, "The user-specified log directory is not found in the broker config.";
    SaslAuthenticationFailed = 58, "SASL Authentication failed.";
    UnknownProducerId = 59, "This exception is raised by the broker if it could not locate the producer metadata associated with the producerId in question. This could happen if, for instance, the producer's records were deleted because their retention time had elapsed. Once the last records of the producerId are removed, the producer's metadata is removed from the broker, and future appends by the producer will return this exception.";
    ReassignmentInProgress = 60, "A partition reassignment is in progress.";
    DelegationTokenAuthDisabled = 61, "Delegation Token feature is not enabled.";
    DelegationTokenNotFound = 62, "Delegation Token is not found on server.";
    DelegationTokenOwnerMismatch = 63, "Specified Principal is not valid Owner/Renewer.";
    DelegationTokenRequestNotAllowed = 64, "Delegation Token requests are not allowed on PLAINTEXT/1-way SSL channels and on delegation token authenticated channels.";
    DelegationTokenAuthorizationFailed = 65, "Delegation Token authorization failed.";
    DelegationTokenExpired = 66, "Delegation Token is expired.";
    InvalidPrincipalType = 67, "Supplied principalType is not supported.";
    NonEmptyGroup = 68, "The group is not empty.";
    GroupIdNotFound = 69, "The group id does not exist.";
    FetchSessionIdNotFound = 70, "The fetch session ID was not found.";
    InvalidFetchSessionEpoch = 71, "The fetch session epoch is invalid.";
    ListenerNotFound = 72, "There is no listener on the leader broker that matches the listener on which metadata request was processed.";
    TopicDeletionDisabled = 73, "Topic deletion is disabled.";
    FencedLeaderEpoch = 74, "The leader epoch in the request is older than the epoch on the broker.";
    UnknownLeaderEpoch = 75, "The leader epoch in the request is newer than the epoch on the broker.";
    UnsupportedCompressionType = 76, "The requesting client does not support the compression type of given partition.";
    StaleBrokerEpoch = 77, "Broker epoch has changed.";
    OffsetNotAvailable = 78, "The leader high watermark has not caught up from a recent leader election so the offsets cannot be guaranteed to be monotonically increasing.";
    MemberIdRequired = 79, "The group member needs to have a valid member id before actually entering a consumer group.";
    PreferredLeaderNotAvailable = 80, "The preferred leader was not available.";
    GroupMaxSizeReached = 81, "The group has reached its maximum size.";
    FencedInstanceId = 82, "The broker rejected this static consumer since another consumer with the same group.instance.id has registered with a different member.id.";
    EligibleLeadersNotAvailable = 83, "Eligible topic partition leaders are not available.";
    ElectionNotNeeded = 84, "Leader election not needed for topic partition.";
    NoReassignmentInProgress = 85, "No partition reassignment is in progress.";
    GroupSubscribedToTopic = 86, "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it.";
    InvalidRecord = 87, "This record has failed the validation on broker and hence will be rejected.";
    UnstableOffsetCommit = 88, "There are unstable offsets that need to be cleared.";
    ThrottlingQuotaExceeded = 89, "The throttling quota has been exceeded.";
    ProducerFenced = 90, "There is a newer producer with the same transactionalId which fences the current one.";
    ResourceNotFound = 91, "A request illegally referred to a resource that does not exist.";
    DuplicateResource = 92, "A request illegally referred to the same resource twice.";
    UnacceptableCredential = 93, "Requested credential would not meet criteria for acceptability.";
    InconsistentVoterSet = 94, "Indicates that the either the sender or recipient of a voter-only request is not one of the expected voters.";
    InvalidUpdateVersion = 95, "The given update version was invalid.";
    FeatureUpdateFailed = 96, "Unable to update finalized features due to an unexpected server error.";
    PrincipalDeserializationFailure = 97, "Request principal deserialization failed during forwarding. This indicates an internal error on the broker cluster security setup.";
    SnapshotNotFound = 98, "Requested snapshot was not found.";
    PositionOutOfRange = 99, "Requested position is not greater than or equal to zero, and less than the size of the snapshot.";
    UnknownTopicId = 100, "This server does not host this topic ID.";
    DuplicateBrokerRegistration = 101, "This broker ID is already in use.";
    BrokerIdNotRegistered = 102, "The given broker ID was not registered.";
    InconsistentTopicId = 103, "The log's topic ID did not match the topic ID in the request.";
    InconsistentClusterId = 104, "The clusterId in the request does not match that found on the server.";
    TransactionalIdNotFound = 105, "The transactionalId could not be found.";
    FetchSessionTopicIdError = 106, "The fetch session encountered inconsistent topic ID usage.";
    IneligibleReplica = 107, "The new ISR contains at least one ineligible replica.";
    NewLeaderElected = 108, "The AlterPartition request successfully updated the partition state but the leader has changed.";
    OffsetMovedToTieredStorage = 109, "The requested offset is moved to tiered storage.";
    FencedMemberEpoch = 110, "The member epoch is fenced by the group coordinator. The member must abandon all its partitions and rejoin.";
    UnreleasedInstanceId = 111, "The instance ID is still used by another member in the consumer group. That member must leave first.";
    UnsupportedAssignor = 112, "The assignor or its version range is not supported by the consumer group.";
    StaleMemberEpoch = 113, "The member epoch is stale. The member must retry after receiving its updated member epoch via the ConsumerGroupHeartbeat API.";
    MismatchedEndpointType = 114, "The request was sent to an endpoint of the wrong type.";
    UnsupportedEndpointType = 115, "This endpoint type is not supported yet.";
    UnknownControllerId = 116, "This controller ID is not known.";
    UnknownSubscriptionId = 117, "Client sent a push telemetry request with an invalid or outdated subscription ID.";
    TelemetryTooLarge = 118, "Client sent a push telemetry request larger than the maximum size the broker will accept.";
    InvalidRegistration = 119, "The controller has considered the broker registration to be invalid.";
    TransactionAbortable = 120, "The server encountered an error with the transaction. The client can abort the transaction to continue using this transactional ID.";
    InvalidRecordState = 121, "The record state is invalid. The acknowledgement of delivery could not be completed.";
    ShareSessionNotFound = 122, "The share session was not found.";
    InvalidShareSessionEpoch = 123, "The share session epoch is invalid.";
    FencedStateEpoch = 124, "The share coordinator rejected the request because the share-group state epoch did not match.";
    InvalidVoterKey = 125, "The voter key doesn't match the receiving replica's key.";
    DuplicateVoter = 126, "The voter is already part of the set of voters.";
    VoterNotFound = 127, "The voter is not part of the set of voters.";
    InvalidRegularExpression = 128, "The regular expression is not valid.";
    RebootstrapRequired = 129, "Client metadata is stale. The client should rebootstrap to obtain new metadata.";
    StreamsInvalidTopology = 130, "The supplied topology is invalid.";
    StreamsInvalidTopologyEpoch = 131, "The supplied topology epoch is invalid.";
    StreamsTopologyFenced = 132, "The supplied topology epoch is outdated.";
    ShareSessionLimitReached = 133, "The limit of share sessions has been reached.";
}

//! A client of one connection: a request, its answer. It waits long, but not for ever.

use bytes::Bytes;
use ottla::protocol::header::API_VERSIONS;
use ottla::schema::Message;
use ottla::schema::alter_replica_log_dirs_request as relocate;
use ottla::schema::alter_replica_log_dirs_request::AlterReplicaLogDirsRequest;
use ottla::schema::alter_replica_log_dirs_response::AlterReplicaLogDirsResponse;
use ottla::schema::create_topics_request as create;
use ottla::schema::create_topics_request::CreateTopicsRequest;
use ottla::schema::create_topics_response::CreateTopicsResponse;
use ottla::schema::delete_records_request as delete_records;
use ottla::schema::delete_records_request::DeleteRecordsRequest;
use ottla::schema::delete_records_response::DeleteRecordsResponse;
use ottla::schema::delete_topics_request::DeleteTopicsRequest;
use ottla::schema::delete_topics_response::DeleteTopicsResponse;
use ottla::schema::describe_configs_request as describe;
use ottla::schema::describe_configs_request::DescribeConfigsRequest;
use ottla::schema::describe_configs_response::DescribeConfigsResponse;
use ottla::schema::fetch_request as fetch;
use ottla::schema::fetch_request::FetchRequest;
use ottla::schema::fetch_response::FetchResponse;
use ottla::schema::fetch_response::PartitionData;
use ottla::schema::incremental_alter_configs_request as alter;
use ottla::schema::incremental_alter_configs_request::IncrementalAlterConfigsRequest;
use ottla::schema::incremental_alter_configs_response::IncrementalAlterConfigsResponse;
use ottla::schema::init_producer_id_request::InitProducerIdRequest;
use ottla::schema::init_producer_id_response::InitProducerIdResponse;
use ottla::schema::list_offsets_request as list;
use ottla::schema::list_offsets_request::ListOffsetsRequest;
use ottla::schema::list_offsets_response::ListOffsetsResponse;
use ottla::schema::metadata_request::MetadataRequest;
use ottla::schema::metadata_response::MetadataResponse;
use ottla::schema::produce_request as produce;
use ottla::schema::produce_request::ProduceRequest;
use ottla::schema::produce_response::PartitionProduceResponse;
use ottla::schema::produce_response::ProduceResponse;
use ottla::schema::request_header::RequestHeader;
use ottla::schema::wire::Reader;
use ottla::schema::writer::Records;
use ottla::schema::writer::Writer;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

/// Only so that a broker that hangs fails the test.
const PATIENCE: Duration = Duration::from_secs(60);
const TOPIC: i8 = 2;

pub struct Client {
    pub stream: TcpStream,
    pub next: i32,
}

/// The frame of a request, with its length.
pub fn frame<Q: Message>(request: &Q, version: i16, correlation_id: i32) -> Vec<u8> {
    let mut writer = Writer::default();
    let header = RequestHeader {
        request_api_key: Q::KEY,
        request_api_version: version,
        correlation_id,
        client_id: Some("test".into()),
    };
    header.encode(&mut writer, 1);
    if version >= Q::FIRST_FLEXIBLE {
        writer.no_tags();
    }
    request.encode(&mut writer, version);
    let body = writer.into_bytes();
    let mut frame = (body.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(&body);
    frame
}

impl Client {
    pub fn connect(address: (&str, u16)) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client { stream, next: 1 })
    }

    pub fn call<Q: Message, A: Message>(&mut self, version: i16, request: &Q) -> io::Result<A> {
        let id = self.next;
        self.next += 1;
        self.stream.write_all(&frame(request, version, id))?;
        let mut reader = Reader::new(self.read_frame()?);
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_string());
        if reader.i32().ok() != Some(id) {
            return Err(wrong("an answer to another request"));
        }
        if version >= A::FIRST_FLEXIBLE && A::KEY != API_VERSIONS {
            reader.i8().map_err(|_| wrong("no tags in the header"))?;
        }
        A::decode(&mut reader, version).map_err(|error| wrong(&error.to_string()))
    }

    pub fn read_frame(&mut self) -> io::Result<Bytes> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size)?;
        let mut body = vec![0; u32::from_be_bytes(size) as usize];
        self.stream.read_exact(&mut body)?;
        Ok(Bytes::from(body))
    }

    pub fn metadata(&mut self) -> io::Result<MetadataResponse> {
        let all = MetadataRequest {
            topics: None,
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        self.call(9, &all)
    }

    /// Waits until a leader is named for every partition, as clients do before they use one.
    pub fn await_leaders(&mut self) -> io::Result<MetadataResponse> {
        self.metadata_when(|metadata| {
            let mut partitions = metadata.topics.iter().flat_map(|topic| &topic.partitions);
            partitions.all(|partition| partition.leader_id >= 0)
        })
    }

    /// Asks until the cluster is as expected.
    pub fn metadata_when(&mut self, expected: impl Fn(&MetadataResponse) -> bool) -> io::Result<MetadataResponse> {
        let until = Instant::now() + PATIENCE;
        loop {
            let metadata = self.metadata()?;
            if expected(&metadata) {
                return Ok(metadata);
            }
            if Instant::now() > until {
                return Err(io::Error::other(format!("never as expected: {metadata:?}")));
            }
            std::thread::yield_now();
        }
    }

    /// With the error code of the topic.
    pub fn create_topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> io::Result<i16> {
        let configs = configs.iter().map(|(name, value)| create::CreatableTopicConfig {
            name: (*name).into(),
            value: Some((*value).into()),
        });
        let topic = create::CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            assignments: Vec::new(),
            configs: configs.collect(),
        };
        let request = CreateTopicsRequest {
            topics: vec![topic],
            ..CreateTopicsRequest::default()
        };
        let answer: CreateTopicsResponse = self.call(6, &request)?;
        Ok(answer.topics.first().map_or(-1, |topic| topic.error_code))
    }

    pub fn delete_topic(&mut self, name: &str) -> io::Result<i16> {
        let request = DeleteTopicsRequest {
            topic_names: vec![name.into()],
            timeout_ms: 10_000,
            ..DeleteTopicsRequest::default()
        };
        let answer: DeleteTopicsResponse = self.call(5, &request)?;
        Ok(answer.responses.first().map_or(-1, |topic| topic.error_code))
    }

    pub fn set_topic_config(&mut self, topic: &str, key: &str, value: &str) -> io::Result<i16> {
        let config = alter::AlterableConfig {
            name: key.into(),
            config_operation: 0,
            value: Some(value.into()),
        };
        let resource = alter::AlterConfigsResource {
            resource_type: TOPIC,
            resource_name: topic.into(),
            configs: vec![config],
        };
        let request = IncrementalAlterConfigsRequest {
            resources: vec![resource],
            validate_only: false,
        };
        let answer: IncrementalAlterConfigsResponse = self.call(1, &request)?;
        Ok(answer.responses.first().map_or(-1, |found| found.error_code))
    }

    pub fn topic_config(&mut self, topic: &str, key: &str) -> io::Result<Option<String>> {
        let resource = describe::DescribeConfigsResource {
            resource_type: TOPIC,
            resource_name: topic.into(),
            configuration_keys: Some(vec![key.into()]),
        };
        let request = DescribeConfigsRequest {
            resources: vec![resource],
            ..DescribeConfigsRequest::default()
        };
        let answer: DescribeConfigsResponse = self.call(4, &request)?;
        let mut configs = answer.results.into_iter().flat_map(|found| found.configs);
        Ok(configs.next().and_then(|config| config.value).map(String::from))
    }

    pub fn init_producer(&mut self) -> io::Result<(i64, i16)> {
        let anybody = InitProducerIdRequest {
            transactional_id: None,
            producer_epoch: -1,
            ..InitProducerIdRequest::default()
        };
        let answer: InitProducerIdResponse = self.call(4, &anybody)?;
        match answer.error_code {
            0 => Ok((answer.producer_id, answer.producer_epoch)),
            code => Err(io::Error::other(format!("InitProducerId: error {code}"))),
        }
    }

    pub fn produce(&mut self, topic: &str, partition: i32, records: Bytes) -> io::Result<PartitionProduceResponse> {
        let partition = produce::PartitionProduceData {
            index: partition,
            records: Some(Records::Bytes(records)),
        };
        let topic = produce::TopicProduceData {
            name: topic.into(),
            partition_data: vec![partition],
            ..produce::TopicProduceData::default()
        };
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 10_000,
            topic_data: vec![topic],
            ..ProduceRequest::default()
        };
        let answer: ProduceResponse = self.call(9, &request)?;
        let mut partitions = answer.responses.into_iter().flat_map(|topic| topic.partition_responses);
        partitions
            .next()
            .ok_or_else(|| io::Error::other("no answer for the partition"))
    }

    /// What one Fetch brings from `offset` on.
    pub fn fetch(&mut self, topic: &str, partition: i32, offset: i64) -> io::Result<PartitionData> {
        let partition = fetch::FetchPartition {
            partition,
            fetch_offset: offset,
            partition_max_bytes: 1 << 20,
            ..fetch::FetchPartition::default()
        };
        let topic = fetch::FetchTopic {
            topic: topic.into(),
            partitions: vec![partition],
            ..fetch::FetchTopic::default()
        };
        let request = FetchRequest {
            max_bytes: 1 << 20,
            topics: vec![topic],
            ..FetchRequest::default()
        };
        let answer: FetchResponse = self.call(11, &request)?;
        let mut partitions = answer.responses.into_iter().flat_map(|topic| topic.partitions);
        partitions
            .next()
            .ok_or_else(|| io::Error::other("no answer for the partition"))
    }

    /// The offset for a timestamp, also for the special ones: -1 the end, -2 the start.
    pub fn offset_for(&mut self, topic: &str, partition: i32, timestamp: i64) -> io::Result<(i16, i64)> {
        let partition = list::ListOffsetsPartition {
            partition_index: partition,
            timestamp,
            ..list::ListOffsetsPartition::default()
        };
        let topic = list::ListOffsetsTopic {
            name: topic.into(),
            partitions: vec![partition],
        };
        let request = ListOffsetsRequest {
            replica_id: -1,
            topics: vec![topic],
            ..ListOffsetsRequest::default()
        };
        let answer: ListOffsetsResponse = self.call(7, &request)?;
        let mut partitions = answer.topics.into_iter().flat_map(|topic| topic.partitions);
        let found = partitions.next();
        let found = found.ok_or_else(|| io::Error::other("no answer for the partition"))?;
        Ok((found.error_code, found.offset))
    }

    /// Asks for a move to another log dir; the log follows later.
    pub fn move_replica(&mut self, topic: &str, partition: i32, path: &Path) -> io::Result<i16> {
        let topic = relocate::AlterReplicaLogDirTopic {
            name: topic.into(),
            partitions: vec![partition],
        };
        let dir = relocate::AlterReplicaLogDir {
            path: path.to_string_lossy().as_ref().into(),
            topics: vec![topic],
        };
        let answer: AlterReplicaLogDirsResponse = self.call(2, &AlterReplicaLogDirsRequest { dirs: vec![dir] })?;
        let mut partitions = answer.results.iter().flat_map(|topic| &topic.partitions);
        Ok(partitions.next().map_or(-1, |found| found.error_code))
    }

    /// With the new start of the log, or the error.
    pub fn delete_records(&mut self, topic: &str, partition: i32, before: i64) -> io::Result<Result<i64, i16>> {
        let partition = delete_records::DeleteRecordsPartition {
            partition_index: partition,
            offset: before,
        };
        let topic = delete_records::DeleteRecordsTopic {
            name: topic.into(),
            partitions: vec![partition],
        };
        let request = DeleteRecordsRequest {
            topics: vec![topic],
            timeout_ms: 10_000,
        };
        let answer: DeleteRecordsResponse = self.call(2, &request)?;
        let mut partitions = answer.topics.into_iter().flat_map(|topic| topic.partitions);
        let found = partitions.next();
        let found = found.ok_or_else(|| io::Error::other("no answer for the partition"))?;
        Ok(match found.error_code {
            0 => Ok(found.low_watermark),
            code => Err(code),
        })
    }
}

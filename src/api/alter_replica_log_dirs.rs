//! AlterReplicaLogDirs (key 34, v1–2): moves logs to other directories of this broker.

use crate::api::context::Context;
use crate::schema::alter_replica_log_dirs_request::AlterReplicaLogDirsRequest;
use crate::schema::alter_replica_log_dirs_response::AlterReplicaLogDirPartitionResult;
use crate::schema::alter_replica_log_dirs_response::AlterReplicaLogDirTopicResult;
use crate::schema::alter_replica_log_dirs_response::AlterReplicaLogDirsResponse;
use crate::types::ErrorCode;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

pub async fn handle(cx: &Context, request: AlterReplicaLogDirsRequest) -> AlterReplicaLogDirsResponse {
    let mut results: BTreeMap<CompactString, Vec<AlterReplicaLogDirPartitionResult>> = BTreeMap::new();
    for dir in request.dirs {
        let path = PathBuf::from(dir.path.as_str());
        for topic in dir.topics {
            for partition_index in topic.partitions {
                let error = begin(cx, &path, &topic.name, partition_index).await.err();
                let error_code = error.map_or(0, ErrorCode::code);
                let result = AlterReplicaLogDirPartitionResult {
                    partition_index,
                    error_code,
                };
                results.entry(topic.name.clone()).or_default().push(result);
            }
        }
    }
    let results = results
        .into_iter()
        .map(|(topic_name, partitions)| AlterReplicaLogDirTopicResult { topic_name, partitions });
    AlterReplicaLogDirsResponse {
        results: results.collect(),
        ..AlterReplicaLogDirsResponse::default()
    }
}

async fn begin(cx: &Context, path: &Path, topic: &str, partition: i32) -> Result<(), ErrorCode> {
    let hosting = &cx.handles.hosting;
    if !path.is_absolute() && !hosting.dirs.dirs().iter().any(|dir| dir.path() == path) {
        return Err(ErrorCode::LogDirNotFound);
    }
    hosting
        .begin_move(topic, partition, path, cx.handles.clock.now())
        .map_err(|rejection| rejection.code)
}

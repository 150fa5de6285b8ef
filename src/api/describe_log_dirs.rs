//! DescribeLogDirs (key 35, v1–5): what lies in which log directory, and how full they are.

use crate::api::context::Context;
use crate::replication::hosting::DirInfo;
use crate::schema::describe_log_dirs_request::DescribeLogDirsRequest;
use crate::schema::describe_log_dirs_response::DescribeLogDirsPartition;
use crate::schema::describe_log_dirs_response::DescribeLogDirsResponse;
use crate::schema::describe_log_dirs_response::DescribeLogDirsResult;
use crate::schema::describe_log_dirs_response::DescribeLogDirsTopic;
use crate::types::ErrorCode;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::collections::HashSet;
use tokio::task::spawn_blocking;

pub async fn handle(cx: &Context, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let hosting = cx.handles.hosting.clone();
    // Asks the file systems how full they are, and first makes what is still planned: it is told where it lies.
    let described = spawn_blocking(move || {
        hosting.replicas.make_planned(|| true);
        hosting.dirs.describe()
    });
    let dirs = described.await.unwrap_or_default();
    let wanted: Option<HashSet<(&str, i32)>> = request.topics.as_ref().map(|topics| {
        let named = topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|index| (topic.topic.as_str(), *index)));
        named.collect()
    });
    let results = dirs.iter().map(|dir| describe(cx, dir, wanted.as_ref()));
    DescribeLogDirsResponse {
        results: results.collect(),
        ..DescribeLogDirsResponse::default()
    }
}

fn describe(cx: &Context, dir: &DirInfo, wanted: Option<&HashSet<(&str, i32)>>) -> DescribeLogDirsResult {
    let mut topics: BTreeMap<CompactString, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for replica in &dir.replicas {
        if wanted.is_some_and(|wanted| !wanted.contains(&(&*replica.topic, replica.partition))) {
            continue;
        }
        let partition = DescribeLogDirsPartition {
            partition_index: replica.partition,
            partition_size: replica.size as i64,
            offset_lag: lag(
                cx,
                replica.is_future,
                &replica.topic,
                (replica.partition, replica.end_offset),
            ),
            is_future_key: replica.is_future,
        };
        topics
            .entry(CompactString::from(&*replica.topic))
            .or_default()
            .push(partition);
    }
    let bytes = |bytes: Option<u64>| bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    DescribeLogDirsResult {
        error_code: if dir.online {
            0
        } else {
            ErrorCode::KafkaStorageError.code()
        },
        log_dir: dir.path.to_string_lossy().into(),
        topics: topics
            .into_iter()
            .map(|(name, partitions)| DescribeLogDirsTopic { name, partitions })
            .collect(),
        total_bytes: bytes(dir.total_bytes),
        usable_bytes: bytes(dir.usable_bytes),
        is_cordoned: dir.cordoned,
    }
}

/// How far a log lies behind the high watermark, and a copy behind its log.
fn lag(cx: &Context, is_future: bool, topic: &str, (partition, end): (i32, i64)) -> i64 {
    let Some(log) = cx.handles.hosting.dirs.get(topic, partition) else {
        return -1;
    };
    let ahead = if is_future {
        log.end_offset()
    } else {
        log.high_watermark()
    };
    (ahead - end).max(0)
}

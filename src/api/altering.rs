//! What AlterConfigs and IncrementalAlterConfigs share: which resources this broker settles itself, and which the
//! controller decides.

use crate::config::ConfigError;
use crate::types::ErrorCode;
use compact_str::CompactString;
use std::collections::HashMap;

/// What this broker makes of one resource.
pub enum Verdict {
    Forward,
    Settled(Result<(), ConfigError>),
}

/// The verdicts in the order of the resources, and the resources that the controller has to decide.
pub fn judge_all<T: Clone>(
    resources: &[T],
    named: impl Fn(&T) -> (i8, &CompactString),
    judge: impl Fn(&T) -> Verdict,
) -> (Vec<Verdict>, Vec<T>) {
    let mut counts: HashMap<(i8, &CompactString), usize> = HashMap::new();
    for resource in resources {
        *counts.entry(named(resource)).or_insert(0) += 1;
    }
    let mut forwarded = Vec::new();
    let verdicts = resources.iter().map(|resource| {
        let verdict = match counts.get(&named(resource)) {
            Some(2..) => Verdict::Settled(Err(ConfigError::BadRequest(
                "Each resource must appear at most once.".into(),
            ))),
            _ => judge(resource),
        };
        if matches!(verdict, Verdict::Forward) {
            forwarded.push(resource.clone());
        }
        verdict
    });
    (verdicts.collect(), forwarded)
}

/// One answer for each resource: the controller's where it decided.
pub fn answer_all<T, A>(
    resources: Vec<T>,
    verdicts: Vec<Verdict>,
    decided: Vec<A>,
    encode: impl Fn(T, ErrorCode, Option<CompactString>) -> A,
) -> Vec<A> {
    let mut decided = decided.into_iter();
    let answers = resources
        .into_iter()
        .zip(verdicts)
        .filter_map(|(resource, verdict)| match verdict {
            Verdict::Forward => decided.next(),
            Verdict::Settled(Ok(())) => Some(encode(resource, ErrorCode::None, None)),
            Verdict::Settled(Err(error)) => Some(encode(resource, error.code(), Some(error.message().into()))),
        });
    answers.collect()
}

pub fn unknown_type(number: i8) -> Verdict {
    Verdict::Settled(Err(ConfigError::BadRequest(format!("Unknown resource type {number}"))))
}

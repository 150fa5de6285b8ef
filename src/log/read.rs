//! Reading: from an offset to a range of a file. Takes no lock that a writer holds while it writes.

use crate::file_range::FileRange;
use crate::log::replica::Log;
use crate::log::replica::segment_of;
use crate::log::tail::Known;
use crate::record::header::BatchHeader;
use crate::record::header::HEADER_SIZE;
use crate::storage::positioned::read_at_most;
use crate::storage::segment::Segment;
use crate::storage::segment::SegmentError;
use crate::types::ErrorCode;
use crate::types::Offset;
use bytes::Bytes;
use std::io;
use std::sync::Arc;

/// What a read found: whole batches, except that the last may be cut short.
#[derive(Clone, Debug)]
pub struct LogSlice {
    /// `None`: nothing there yet.
    pub range: Option<FileRange>,
    /// The base offset of the first batch; at or below the offset asked for.
    pub first_offset: Offset,
}

impl LogSlice {
    pub fn is_empty(&self) -> bool {
        self.range.is_none()
    }

    pub fn length(&self) -> u32 {
        self.range.as_ref().map_or(0, |range| range.length)
    }

    /// The bytes themselves, for those inside the broker who need records.
    pub fn bytes(&self) -> io::Result<Bytes> {
        let Some(range) = &self.range else {
            return Ok(Bytes::new());
        };
        let mut bytes = vec![0; range.length as usize];
        let filled = read_at_most(&range.file, &mut bytes, range.position)?;
        bytes.truncate(filled);
        Ok(Bytes::from(bytes))
    }
}

/// Why nothing can be read.
#[derive(Debug)]
pub enum ReadError {
    /// Below the log's start or above its end.
    OutOfRange {
        log_start: Offset,
        end: Offset,
    },
    /// What should be at this offset is damaged.
    Corrupt,
    Io(io::Error),
}

impl From<ReadError> for ErrorCode {
    fn from(error: ReadError) -> ErrorCode {
        match error {
            ReadError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            ReadError::Corrupt => ErrorCode::CorruptMessage,
            ReadError::Io(_) => ErrorCode::KafkaStorageError,
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> ReadError {
        ReadError::Io(error)
    }
}

impl From<SegmentError> for ReadError {
    fn from(error: SegmentError) -> ReadError {
        match error {
            SegmentError::Io(error) => ReadError::Io(error),
            SegmentError::Broken { .. } => ReadError::Corrupt,
        }
    }
}

impl Log {
    /// At most `max_bytes` from the batch that holds `from` on, of batches below `up_to`, within one segment. The
    /// first batch comes in whole with `at_least_one`, the last one may be cut short.
    pub fn read(&self, from: Offset, max_bytes: u32, at_least_one: bool, up_to: Offset) -> Result<LogSlice, ReadError> {
        let nothing = LogSlice {
            range: None,
            first_offset: from,
        };
        let view = self.view(from, up_to);
        let log_start = self.log_start();
        if from < log_start || from > view.end {
            return Err(ReadError::OutOfRange {
                log_start,
                end: view.end,
            });
        }
        let up_to = up_to.min(view.end);
        if from >= up_to {
            return Ok(nothing);
        }
        match self.read_in_view(from, up_to, &view, (max_bytes, at_least_one)) {
            // Retention was faster: it moves the start first, then lets segments and files go.
            Err(_) | Ok(None) if from < self.log_start() => Err(ReadError::OutOfRange {
                log_start: self.log_start(),
                end: view.end,
            }),
            found => found.map(|slice| slice.unwrap_or(nothing)),
        }
    }

    fn read_in_view(
        &self,
        from: Offset,
        up_to: Offset,
        view: &View,
        (max_bytes, at_least_one): (u32, bool),
    ) -> Result<Option<LogSlice>, ReadError> {
        if let (Some(first), Some(limit)) = (view.first, view.limit) {
            let segments = self.segments();
            if let Some(active) = segments
                .iter()
                .rev()
                .find(|segment| segment.base_offset == view.segment)
            {
                let wanted = Wanted {
                    max_bytes,
                    at_least_one,
                    limit,
                };
                return wanted.slice(active, first).map(Some);
            }
        }
        self.read_by_index(from, up_to, view, (max_bytes, at_least_one))
    }

    /// The end as it is published right now, with what the tail remembers of both offsets.
    fn view(&self, from: Offset, up_to: Offset) -> View {
        let tail = self.tail();
        let limit = match up_to >= tail.end_offset {
            true => Some(tail.size),
            false => tail.find(up_to).map(|batch| batch.position),
        };
        View {
            end: tail.end_offset,
            segment: tail.segment,
            size: tail.size,
            first: tail.find(from),
            limit,
        }
    }

    fn read_by_index(
        &self,
        from: Offset,
        up_to: Offset,
        view: &View,
        (max_bytes, at_least_one): (u32, bool),
    ) -> Result<Option<LogSlice>, ReadError> {
        let segments = self.segments();
        let first = segment_of(&segments, from);
        for (index, segment) in segments.iter().enumerate().skip(first) {
            if segment.base_offset >= up_to {
                break;
            }
            let size = if segment.base_offset == view.segment {
                view.size
            } else {
                segment.size()
            };
            if is_damaged(segment, from) {
                return Err(ReadError::Corrupt);
            }
            // Compaction may have left nothing at or behind `from` in this segment.
            let Some((position, header)) = segment.locate(from, size)? else {
                continue;
            };
            if header.base_offset >= up_to {
                break;
            }
            let next_base = segments.get(index + 1).map_or(view.end, |next| next.base_offset);
            let limit = if up_to >= next_base {
                size
            } else {
                self.position_of(segment, up_to, size)?
            };
            let wanted = Wanted {
                max_bytes,
                at_least_one,
                limit,
            };
            return wanted.slice(segment, known(position, &header)).map(Some);
        }
        Ok(None)
    }

    /// Where the batch begins that holds `offset`.
    fn position_of(&self, segment: &Arc<Segment>, offset: Offset, size: u64) -> Result<u64, ReadError> {
        match segment.locate(offset, size) {
            Ok(found) => Ok(found.map_or(size, |(position, _)| position)),
            // What stands in front of the damage can still be read.
            Err(SegmentError::Broken { position }) => Ok(position),
            Err(SegmentError::Io(error)) => Err(error.into()),
        }
    }
}

struct View {
    end: Offset,
    segment: Offset,
    size: u64,
    first: Option<Known>,
    limit: Option<u64>,
}

fn known(position: u64, header: &BatchHeader) -> Known {
    let size = header.size().unwrap_or(HEADER_SIZE) as u64;
    Known {
        position,
        batch_end: position + size,
        base_offset: header.base_offset,
    }
}

fn is_damaged(segment: &Segment, offset: Offset) -> bool {
    segment
        .damage()
        .iter()
        .any(|damage| (damage.first_offset..damage.next_offset).contains(&offset))
}

struct Wanted {
    max_bytes: u32,
    at_least_one: bool,
    limit: u64,
}

impl Wanted {
    fn slice(&self, segment: &Arc<Segment>, first: Known) -> Result<LogSlice, ReadError> {
        let first_size = first.batch_end.saturating_sub(first.position);
        let mut length = u64::from(self.max_bytes);
        if self.at_least_one {
            length = length.max(first_size);
        }
        let mut end = self.limit.min(first.position + length);
        for damage in segment.damage() {
            if damage.from >= first.position {
                end = end.min(damage.from);
            }
        }
        let range = match end > first.position {
            true => Some(segment.range(first.position, end)?),
            false => None,
        };
        Ok(LogSlice {
            range,
            first_offset: first.base_offset,
        })
    }
}

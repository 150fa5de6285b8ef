//! A connection that this node opened to another: one request at a time, each answered before the next.

use crate::config::voters::Address;
use crate::protocol::header;
use crate::protocol::header::Prefix;
use crate::schema::Message;
use crate::schema::api_versions_request::ApiVersionsRequest;
use crate::schema::api_versions_response::ApiVersionsResponse;
use crate::schema::wire::Reader;
use bytes::Bytes;
use compact_str::CompactString;
use std::io;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No answer between nodes is larger; a fetch asks for far less.
const LARGEST_ANSWER: u32 = 100 << 20;

/// Understood by every node that this one may meet.
const API_VERSIONS: i16 = 3;

/// After an error it must not be used again: an answer may still be under way.
pub struct Connection {
    stream: TcpStream,
    client_id: CompactString,
    next_correlation: i32,
}

impl Connection {
    pub async fn open(address: &Address, client_id: &str, patience: Duration) -> io::Result<Connection> {
        let port = u16::try_from(address.port).map_err(|_| invalid("no such port"))?;
        let stream = within(patience, TcpStream::connect((address.host.as_str(), port))).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            client_id: client_id.into(),
            next_correlation: 0,
        })
    }

    /// What the other side serves, and in which versions.
    pub async fn versions(&mut self, patience: Duration) -> io::Result<ApiVersionsResponse> {
        let request = ApiVersionsRequest {
            client_software_name: env!("CARGO_PKG_NAME").into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
        };
        self.call(&request, API_VERSIONS, patience).await
    }

    /// Sends a request and waits for its answer.
    pub async fn call<Q: Message, A: Message>(
        &mut self,
        request: &Q,
        version: i16,
        patience: Duration,
    ) -> io::Result<A> {
        let prefix = Prefix {
            key: Q::KEY,
            version,
            correlation_id: self.next_correlation,
        };
        self.next_correlation = self.next_correlation.wrapping_add(1) & i32::MAX;
        let frame = header::request(prefix, Some(&self.client_id), request);
        let answer = within(patience, self.exchange(frame)).await?;
        let mut reader = Reader::new(answer);
        let correlation_id = header::read_answer::<A>(&mut reader, prefix).map_err(invalid)?;
        if correlation_id != prefix.correlation_id {
            return Err(invalid("an answer to another request"));
        }
        A::decode(&mut reader, version).map_err(invalid)
    }

    async fn exchange(&mut self, request: Bytes) -> io::Result<Bytes> {
        let length = u32::try_from(request.len()).map_err(invalid)?;
        let mut frame = Vec::with_capacity(4 + request.len());
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&request);
        self.stream.write_all(&frame).await?;
        let claimed = self.stream.read_u32().await?;
        if claimed > LARGEST_ANSWER {
            return Err(invalid(format!("an answer of {claimed} bytes")));
        }
        // Grows by what arrives, not by what was claimed.
        let mut answer = Vec::new();
        let read = (&mut self.stream).take(claimed.into()).read_to_end(&mut answer).await?;
        if read < claimed as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(answer.into())
    }
}

async fn within<T>(patience: Duration, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(patience, step)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn invalid(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::create_topics_response::CreateTopicsResponse;
    use crate::schema::list_partition_reassignments_request::ListPartitionReassignmentsRequest;
    use tokio::net::TcpListener;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Answers every request with these bytes after the correlation id.
    async fn peer(body: Vec<u8>, correlation_off_by: i32) -> Address {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port().into();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            while let Ok(size) = stream.read_u32().await {
                let mut frame = vec![0; size as usize];
                stream.read_exact(&mut frame).await.unwrap();
                let prefix = Prefix::read(&frame).unwrap();
                let correlation_id = prefix.correlation_id + correlation_off_by;
                stream.write_u32(4 + body.len() as u32).await.unwrap();
                stream.write_i32(correlation_id).await.unwrap();
                stream.write_all(&body).await.unwrap();
            }
        });
        Address {
            host: "127.0.0.1".into(),
            port,
        }
    }

    #[tokio::test]
    async fn answers_come_back_one_after_the_other_with_and_without_tags_in_their_header() {
        let versions = ApiVersionsResponse {
            error_code: 35,
            ..Default::default()
        };
        let address = peer(versions.to_bytes(3).to_vec(), 0).await;
        let mut connection = Connection::open(&address, "me", PATIENCE).await.unwrap();
        for _ in 0..2 {
            let request = ApiVersionsRequest::default();
            let answer: ApiVersionsResponse = connection.call(&request, 3, PATIENCE).await.unwrap();
            assert_eq!(answer, versions);
        }
        let topics = CreateTopicsResponse {
            throttle_time_ms: 7,
            ..Default::default()
        };
        let mut tagged = vec![1, 5, 1, b'x'];
        tagged.extend_from_slice(&topics.to_bytes(7));
        let address = peer(tagged, 0).await;
        let mut connection = Connection::open(&address, "me", PATIENCE).await.unwrap();
        let request = crate::schema::create_topics_request::CreateTopicsRequest::default();
        let answer: CreateTopicsResponse = connection.call(&request, 7, PATIENCE).await.unwrap();
        assert_eq!(answer, topics);
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error() {
        let request = ListPartitionReassignmentsRequest::default();
        for (case, body, off_by) in [
            ("another correlation id", vec![0; 64], 1),
            ("too short", vec![0; 2], 0),
            ("noise", vec![0xff; 64], 0),
        ] {
            let address = peer(body, off_by).await;
            let mut connection = Connection::open(&address, "me", PATIENCE).await.unwrap();
            let answer: io::Result<CreateTopicsResponse> = connection.call(&request, 0, PATIENCE).await;
            assert!(answer.is_err(), "{case}");
        }
    }
}

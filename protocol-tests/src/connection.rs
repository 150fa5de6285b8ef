//! One connection to the server under test.

use crate::codec::uvarint;
use crate::declarations::Message;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

/// No exchange here waits longer; a server that stays silent fails the test.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Connection {
    stream: TcpStream,
    correlation_id: i32,
}

/// What came back.
pub enum Answer {
    Body(Vec<u8>),
    Closed,
}

impl Connection {
    pub fn open(address: &str) -> io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Connection {
            stream,
            correlation_id: 0,
        })
    }

    /// A request with its header; the answer without its own.
    pub fn ask(&mut self, request: &Message, version: i16, body: &[u8], answered: bool) -> io::Result<Answer> {
        self.correlation_id += 1;
        let mut frame = Vec::new();
        frame.extend(request.key.to_be_bytes());
        frame.extend(version.to_be_bytes());
        frame.extend(self.correlation_id.to_be_bytes());
        frame.extend(12i16.to_be_bytes());
        frame.extend(b"protocoltest");
        if request.is_flexible(version) {
            uvarint(&mut frame, 0);
        }
        frame.extend(body);
        self.send_frame(&frame)?;
        if !answered {
            return Ok(Answer::Body(Vec::new()));
        }
        let Answer::Body(answer) = self.receive()? else {
            return Ok(Answer::Closed);
        };
        let id = answer.first_chunk::<4>().map(|id| i32::from_be_bytes(*id));
        assert_eq!(id, Some(self.correlation_id), "the answer is to another request");
        let header = if request.is_flexible(version) && request.key != 18 {
            5
        } else {
            4
        };
        Ok(Answer::Body(answer[header..].to_vec()))
    }

    pub fn send_frame(&mut self, frame: &[u8]) -> io::Result<()> {
        self.stream.write_all(&(frame.len() as i32).to_be_bytes())?;
        self.stream.write_all(frame)
    }

    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub fn receive(&mut self) -> io::Result<Answer> {
        let mut size = [0; 4];
        match self.stream.read_exact(&mut size) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
                ) =>
            {
                return Ok(Answer::Closed);
            }
            Err(error) => return Err(error),
        }
        let mut answer = vec![0; u32::from_be_bytes(size) as usize];
        self.stream.read_exact(&mut answer)?;
        Ok(Answer::Body(answer))
    }
}

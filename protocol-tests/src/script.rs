//! A conversation as text: one exchange a paragraph line, run in order against one server.
//!
//! ```text
//!     connect                                  a new connection
//!     NAME VERSIONS JSON                       a request in each of these versions (`3`, `0-13`)
//!     silent NAME VERSIONS JSON                a request that gets no answer
//!     raw HEX                                  bytes as they are, then whatever comes back
//!     save VARIABLE = PATH                     keeps a part of the latest answer (`topics.0.topic_id`)
//!     until PATH = JSON                        repeats the latest request until the answer shows this
//! ```
//!
//! Lines that begin with a blank continue the one before. `$v` is the version, `$VARIABLE` what was saved.

use crate::codec;
use crate::connection::Answer;
use crate::connection::Connection;
use crate::declarations::Declarations;
use crate::normal::normal;
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;
use std::time::Instant;

const PATIENCE: Duration = Duration::from_secs(20);

/// What `save` keeps, for the scripts that follow as well.
pub type Saved = HashMap<String, Value>;

struct Runner<'a> {
    declarations: &'a Declarations,
    address: &'a str,
    connection: Connection,
    saved: &'a mut Saved,
    latest: Option<(String, i16, String)>,
    answer: Value,
    exchanges: usize,
    transcript: String,
    /// Where the latest answer begins in it.
    said_from: usize,
}

/// Runs a script and gives what was said, in normal form, and how many exchanges there were.
pub fn run(declarations: &Declarations, address: &str, script: &str, saved: &mut Saved) -> (String, usize) {
    let connection = Connection::open(address).unwrap();
    let mut runner = Runner {
        declarations,
        address,
        connection,
        saved,
        latest: None,
        answer: Value::Null,
        exchanges: 0,
        transcript: String::new(),
        said_from: 0,
    };
    for line in lines(script) {
        runner.line(&line);
    }
    (runner.transcript, runner.exchanges)
}

fn lines(script: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for row in script
        .lines()
        .filter(|row| !row.trim().is_empty() && !row.starts_with('#'))
    {
        match lines.last_mut() {
            Some(last) if row.starts_with(' ') => {
                last.push(' ');
                last.push_str(row.trim());
            }
            _ => lines.push(row.trim().into()),
        }
    }
    lines
}

impl Runner<'_> {
    fn line(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "connect" => self.connection = Connection::open(self.address).unwrap(),
            "raw" => self.raw(rest),
            "save" => {
                let (name, path) = rest.split_once(" = ").unwrap();
                self.saved.insert(name.into(), at(&self.answer, path).clone());
            }
            "until" => self.until(rest),
            "silent" => self.request(rest, false),
            _ => self.request(line, true),
        }
    }

    fn request(&mut self, line: &str, answered: bool) {
        let mut words = line.splitn(3, ' ');
        let (name, versions) = (words.next().unwrap(), words.next().unwrap());
        let json = words.next().unwrap_or("{}");
        let (first, last) = versions.split_once('-').unwrap_or((versions, versions));
        for version in first.parse::<i16>().unwrap()..=last.parse().unwrap() {
            self.latest = Some((name.into(), version, json.into()));
            let answer = self.ask(answered);
            self.exchanges += 1;
            let told = match &answer {
                Some(answer) => normal(name, answer, self.saved).to_string(),
                None => "closed".into(),
            };
            self.transcript += &format!("{name} {version}\n{told}\n\n");
            self.said_from = self.transcript.len() - told.len() - 2;
            match answer {
                Some(answer) => self.answer = answer,
                None => self.connection = Connection::open(self.address).unwrap(),
            }
        }
    }

    /// Sends the latest request; `None` when the server closes the connection.
    fn ask(&mut self, answered: bool) -> Option<Value> {
        let (name, version, json) = self.latest.clone().unwrap();
        let mut json = json.replace("$v", &version.to_string());
        for (variable, value) in &*self.saved {
            json = json.replace(&format!("\"${variable}\""), &value.to_string());
        }
        let value: Value =
            serde_json::from_str(&json).unwrap_or_else(|error| panic!("{name} {version}: {error}: {json}"));
        let request = self.declarations.get(&format!("{name}Request"));
        let body = codec::encode(request, version, &value);
        let answer = self.connection.ask(request, version, &body, answered);
        match answer.unwrap_or_else(|error| panic!("{name} {version}: no answer: {error}")) {
            Answer::Closed => None,
            Answer::Body(_) if !answered => Some(Value::String("no answer".into())),
            Answer::Body(body) => {
                // A version that is not known is answered in the first one.
                let version = if name == "ApiVersions" && version > 4 {
                    0
                } else {
                    version
                };
                let response = self.declarations.get(&format!("{name}Response"));
                let decoded = codec::decode(response, version, &body);
                Some(decoded.unwrap_or_else(|error| Value::String(format!("cannot be decoded: {error}"))))
            }
        }
    }

    fn raw(&mut self, hex: &str) {
        self.exchanges += 1;
        self.connection.send_raw(&codec::hex(&hex.replace(' ', ""))).unwrap();
        let told = match self
            .connection
            .receive()
            .unwrap_or_else(|error| panic!("raw {hex}: {error}"))
        {
            Answer::Body(body) => codec::to_hex(&body),
            Answer::Closed => {
                self.connection = Connection::open(self.address).unwrap();
                "closed".into()
            }
        };
        self.transcript += &format!("raw {hex}\n{told}\n\n");
    }

    fn until(&mut self, condition: &str) {
        let (path, expected) = condition.split_once(" = ").unwrap();
        let expected: Value = serde_json::from_str(expected).unwrap();
        // What the first answer was depends on how far the server had come.
        self.transcript.truncate(self.said_from);
        self.transcript += "asked until it was so\n\n";
        let began = Instant::now();
        while at(&self.answer, path) != &expected {
            assert!(
                began.elapsed() < PATIENCE,
                "waited in vain for {condition}: {}",
                self.answer
            );
            self.answer = self.ask(true).unwrap_or(Value::Null);
        }
    }
}

fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, step| match step.parse::<usize>() {
        Ok(index) => &value[index],
        Err(_) => &value[step],
    })
}

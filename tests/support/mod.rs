//! What the tests of the whole program share: a folder, a broker process on a port of its own, a plain client.

pub mod client;
pub mod log;
pub mod random;

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

/// A folder for one test, removed at its end.
pub struct TestFolder(PathBuf);

impl TestFolder {
    pub fn make() -> TestFolder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ottla-process-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        TestFolder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How to start the program.
pub struct Start {
    command: Command,
}

impl Start {
    /// On a port that the system chooses, with its data in `folder`.
    pub fn on(folder: &Path) -> Start {
        Start::bare()
            .set("listeners", "PLAINTEXT://127.0.0.1:0")
            .set("log.dirs", &folder.display().to_string())
    }

    pub fn bare() -> Start {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Start { command }
    }

    /// A later value wins over an earlier one.
    pub fn set(self, key: &str, value: &str) -> Start {
        self.argument("--override").argument(&format!("{key}={value}"))
    }

    pub fn argument(mut self, argument: &str) -> Start {
        self.command.arg(argument);
        self
    }

    pub fn environment(mut self, name: &str, value: &str) -> Start {
        self.command.env(name, value);
        self
    }

    /// Runs the program to its end: for starts that must fail.
    pub fn run(mut self) -> Output {
        self.command.output().expect("the program can be run")
    }

    /// Until it listens; the program's words if it ends before that.
    pub fn try_start(mut self) -> Result<Broker, String> {
        let mut child = self.command.spawn().expect("the program can be run");
        let mut errors = child.stderr.take().expect("piped");
        let said = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut broker = Broker {
            child,
            port: 0,
            said: Some(said),
        };
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
            if let Some(port) = port_in(&line) {
                broker.port = port;
                return Ok(broker);
            }
            line.clear();
        }
        let _ = broker.child.wait();
        Err(broker.said())
    }

    pub fn start(self) -> Broker {
        self.try_start().unwrap_or_else(|said| panic!("no broker: {said}"))
    }
}

fn port_in(line: &str) -> Option<u16> {
    let (_, after) = line.split_once(" listens on 127.0.0.1:")?;
    after.split(',').next()?.trim().parse().ok()
}

/// A broker that serves; killed when it is dropped.
pub struct Broker {
    child: Child,
    pub port: u16,
    said: Option<JoinHandle<String>>,
}

impl Broker {
    pub fn address(&self) -> (&'static str, u16) {
        ("127.0.0.1", self.port)
    }

    /// Bytes of memory in use, now and at most so far; `None` on a system that does not tell.
    pub fn memory(&self) -> Option<Memory> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let row = |name: &str| {
            let row = text.lines().find_map(|line| line.strip_prefix(name))?;
            let kibibytes: usize = row.trim().strip_suffix(" kB")?.trim().parse().ok()?;
            Some(kibibytes << 10)
        };
        Some(Memory {
            now: row("VmRSS:")?,
            peak: row("VmHWM:")?,
        })
    }

    /// `kill -9`.
    pub fn kill(mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.said()
    }

    /// Asks for a clean stop and waits for it: whether that went well, and what was said.
    pub fn stop(mut self) -> (bool, String) {
        let process = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        let status = self.child.wait().expect("a child can be waited for");
        (status.success(), self.said())
    }

    /// What it wrote as warnings and errors; waits for its end.
    fn said(&mut self) -> String {
        let said = self.said.take().map(|said| said.join().unwrap_or_default());
        said.unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub now: usize,
    pub peak: usize,
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

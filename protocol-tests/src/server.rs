//! The server under test: one that runs already, or the program itself in a folder of its own.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

const PATIENCE: Duration = Duration::from_secs(20);

pub struct Server {
    pub address: String,
    child: Option<(Child, PathBuf)>,
}

impl Server {
    /// The one at the address in this variable of the environment, or one that `start` starts: it gets an address and
    /// a folder.
    pub fn reach(variable: &str, start: impl FnOnce(&str, &str) -> Command) -> Server {
        if let Ok(address) = env::var(variable) {
            return Server { address, child: None };
        }
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let folder = env::temp_dir().join(format!("ottla-protocol-tests-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut command = start(&address, folder.to_str().unwrap());
        let child = command.stdout(Stdio::null()).spawn();
        let server = Server {
            address,
            child: Some((child.expect("the program starts: build it first"), folder)),
        };
        let began = Instant::now();
        while TcpStream::connect(&server.address).is_err() {
            assert!(began.elapsed() < PATIENCE, "nobody listens");
            std::thread::yield_now();
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((child, folder)) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// The program under test: OTTLA, or what was built beside this test's own executable.
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os("OTTLA") {
        return path.into();
    }
    let own = env::current_exe().unwrap();
    own.ancestors().nth(2).unwrap().join("ottla")
}

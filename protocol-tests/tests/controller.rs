//! Every script in `controller/exchanges/`, against the lone controller at BOOTSTRAP_CONTROLLERS or else one started
//! here, must be answered as Apache Kafka's controller answered when `controller/expected/` was recorded (RECORD=1).

use protocol_tests::compare;
use protocol_tests::normal::Offsets;
use protocol_tests::server::Server;
use protocol_tests::server::binary;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The scripts name it, so a controller that runs already must be of it, too, with node id 100.
const CLUSTER: &str = "bW9ja2NsdXN0ZXJpZDEyMw";

#[test]
fn a_controller_answers_as_apache_kafkas_does() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("controller");
    let server = Server::reach("BOOTSTRAP_CONTROLLERS", |address, folder| {
        let file = format!("{folder}/server.properties");
        let text = format!(
            "process.roles=controller\nnode.id=100\nlisteners=CONTROLLER://{address}\n\
             controller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers={address}\n\
             log.dirs={folder}/data\n"
        );
        fs::write(&file, text).unwrap();
        let mut format = Command::new(binary());
        format.args(["storage", "format", "--standalone", "-t", CLUSTER, "-c", &file]);
        let formatted = format.output().expect("the program starts: build it first");
        assert!(formatted.status.success(), "{formatted:?}");
        let mut command = Command::new(binary());
        command.args(["--config", &file]);
        command
    });
    let (exchanges, expected) = (home.join("exchanges"), home.join("expected"));
    compare::check(&exchanges, &expected, &server.address, Offsets::Apart);
}

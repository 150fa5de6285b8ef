//! Every script in `exchanges/`, against the server at BOOTSTRAP_SERVERS or else a broker started here, must be
//! answered as Apache Kafka answered when `expected/` was recorded (RECORD=1 records anew).

use protocol_tests::compare;
use protocol_tests::normal::Offsets;
use protocol_tests::server::Server;
use protocol_tests::server::binary;
use std::path::Path;
use std::process::Command;

#[test]
fn every_exchange_is_answered_as_apache_kafka_answers_it() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let server = Server::reach("BOOTSTRAP_SERVERS", |address, folder| {
        let mut command = Command::new(binary());
        command
            .args(["--override", &format!("listeners=PLAINTEXT://{address}")])
            .args(["--override", &format!("log.dirs={folder}/data")]);
        command
    });
    let (exchanges, expected) = (home.join("exchanges"), home.join("expected"));
    compare::check(&exchanges, &expected, &server.address, Offsets::Same);
}

//! The program: reads the command line and runs what it asks for.

use ottla::broker;
use ottla::cli;
use ottla::observe::Logging;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        cli::Action::Start(config) => match broker::run(*config, Logging::start(None)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(line) => {
                eprintln!("ottla: {line}");
                ExitCode::FAILURE
            }
        },
        cli::Action::Done(code) => code,
    }
}

//! The program: reads the command line and runs what it asks for.

use ottla::cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        cli::Action::Start(config) => {
            config.listeners.iter().for_each(|listener| println!("{listener}"));
            ExitCode::SUCCESS
        }
        cli::Action::Done(code) => code,
    }
}

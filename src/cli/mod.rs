//! The command line: `ottla [server.properties]` starts a broker, `ottla storage …` prepares its folders.

mod start;
mod storage;

use crate::config::BrokerConfig;
use clap::error::ErrorKind;
use std::ffi::OsString;
use std::process::ExitCode;

/// What the command line asks for.
pub enum Action {
    Start(Box<BrokerConfig>),
    /// It is done already, or refused; this is the answer to the shell.
    Done(ExitCode),
}

/// Reads the arguments, the program's name first. What is to be said has been said when this returns.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Action {
    let matches = match start::command()
        .subcommand(storage::command())
        .try_get_matches_from(arguments)
    {
        Ok(matches) => matches,
        Err(error) => return Action::Done(explain(&error)),
    };
    if let Some((storage::NAME, matches)) = matches.subcommand() {
        return Action::Done(storage::run(matches));
    }
    match start::configuration(&matches) {
        Ok(config) => Action::Start(Box::new(config)),
        Err(line) => {
            eprintln!("ottla: {line}");
            Action::Done(ExitCode::FAILURE)
        }
    }
}

/// Prints help and version where they were asked for, or else what is wrong with the arguments.
fn explain(error: &clap::Error) -> ExitCode {
    // A closed terminal is nobody to complain to.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

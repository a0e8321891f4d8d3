//! The test server as a process of its own: kill it, start it again on its file, and what it had answered is there.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use octocity_eventstoredb_double::{Double, Options};

/// A server that speaks EventStoreDB's gRPC protocol, for tests alone.
#[derive(Parser)]
struct Arguments {
    /// The address to listen at; with port 0 a free one, which is printed.
    #[arg(long, default_value = "127.0.0.1:2113")]
    listen: SocketAddr,
    /// The file that keeps the events; made where there is none.
    #[arg(long)]
    file: PathBuf,
    /// `user:password`; whoever sends others is refused.
    #[arg(long)]
    credentials: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let credentials = arguments.credentials.as_deref().and_then(|both| both.split_once(':'));
    let options =
        Options { credentials: credentials.map(|(user, password)| (user.to_owned(), password.to_owned())) };
    match Double::start(arguments.listen, &arguments.file, options).await {
        Ok(double) => {
            println!("listening at {}", double.connection_string());
            double.run().await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot serve {} at {}: {error}", arguments.file.display(), arguments.listen);
            ExitCode::FAILURE
        }
    }
}

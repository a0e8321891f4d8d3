//! Whether the address to serve on is to be had, and who has it.

use std::fs::read_to_string;
use std::net::TcpListener;

use octocity_adapters::sqlite::folder;

use super::Findings;
use crate::config::Config;

/// The state LISTEN in `/proc/net/tcp` (proc(5)).
const LISTENING: &str = "0A";

/// Our program's name, as the system knows it.
const OURS: &str = env!("CARGO_PKG_NAME");

pub fn look_at_address(config: &Config, findings: &mut Findings) {
    let listen = config.listen;
    if let Err(failure) = config.check_listen() {
        return findings.wrong("address", failure.message);
    }
    let Err(error) = TcpListener::bind(listen) else { return findings.well("address", listen.to_string()) };
    let server = folder::in_use(&config.data);
    match (holder(listen.port()), server) {
        (Some((pid, _)), Some(server)) if server == format!("process {pid}") => {
            findings.well("address", format!("{listen}, where {server} serves this data folder"));
        }
        // One of several that serve what is in services.
        (Some((pid, name)), _) if name == OURS && config.eventstoredb.is_some() => {
            findings.well("address", format!("{listen}, where process {pid} ({name}) serves"));
        }
        (Some((pid, name)), _) => findings.wrong(
            "address",
            format!(
                "{listen} is held by process {pid} ({name}); stop it or choose another address with --listen."
            ),
        ),
        (None, _) => findings.wrong(
            "address",
            format!("{listen} is not to be had: {error}; choose another address with --listen."),
        ),
    }
}

/// Who listens on this port, by process id and name; None where the system does not say.
fn holder(port: u16) -> Option<(u32, String)> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let sockets: Vec<String> = tables
        .iter()
        .filter_map(|table| read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let entries = std::fs::read_dir("/proc").ok()?;
    let mut pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let pid = pids.find(|pid| has_open(*pid, &sockets))?;
    let name = read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some((pid, name.trim_end().to_owned()))
}

/// The inodes of the sockets that listen on the port. A line's fields: number, local address, remote address, state,
/// six more, inode.
fn listening(table: &str, port: u16) -> Vec<String> {
    let local = format!(":{port:04X}");
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|fields| fields.len() > 9 && fields[1].ends_with(&local) && fields[3] == LISTENING)
        .map(|fields| fields[9].to_owned())
        .collect()
}

fn has_open(pid: u32, sockets: &[String]) -> bool {
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let mut targets = open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    targets.any(|target| sockets.iter().any(|socket| target.as_os_str() == socket.as_str()))
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn who_listens_on_a_port_is_known() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(super::holder(port).unwrap().0, std::process::id());
        drop(listener);
        assert_eq!(super::holder(port), None);
    }
}

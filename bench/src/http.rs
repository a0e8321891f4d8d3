//! A connection that is kept alive, and nothing more: what the client costs is taken from the server's cores.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Connection {
    socket: TcpStream,
    head: String,
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: "
        );
        Ok(Self { socket, head, sent: Vec::new(), received: Vec::new() })
    }

    /// The body of the answer, which must be a 200.
    pub async fn post(&mut self, body: &str) -> Result<&[u8]> {
        self.sent.clear();
        self.sent.extend_from_slice(self.head.as_bytes());
        self.sent.extend_from_slice(format!("{}\r\n\r\n{body}", body.len()).as_bytes());
        self.socket.write_all(&self.sent).await?;
        self.received.clear();
        let body_from = loop {
            if let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.read_more().await?;
        };
        let length = length(&self.received[..body_from])?;
        while self.received.len() < body_from + length {
            self.read_more().await?;
        }
        Ok(&self.received[body_from..body_from + length])
    }

    async fn read_more(&mut self) -> Result<()> {
        match self.socket.read_buf(&mut self.received).await? {
            0 => Err(Error::from(ErrorKind::UnexpectedEof)),
            _ => Ok(()),
        }
    }
}

fn length(head: &[u8]) -> Result<usize> {
    let unusable = || Error::new(ErrorKind::InvalidData, String::from_utf8_lossy(head).into_owned());
    let text = std::str::from_utf8(head).map_err(|_| unusable())?;
    let is_fine = text.starts_with("HTTP/1.1 200");
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    length.filter(|_| is_fine).ok_or_else(unusable)
}

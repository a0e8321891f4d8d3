//! The codes that a connection is closed with.

use axum::extract::ws::CloseFrame;

/// Why the server closes. The 44xx codes are the protocol's own, the others RFC 6455's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Close {
    GoingAway,
    /// Frames that are none.
    ProtocolError,
    NotUtf8,
    TooLarge,
    BadMessage(&'static str),
    Unauthorized,
    Forbidden,
    SubprotocolNotAcceptable,
    InitTimeout,
    SubscriberExists {
        id: String,
    },
    TooManyInits,
}

/// A close frame's reason has at most 123 bytes (RFC 6455, section 5.5); this leaves room for the words round it.
const ID_BYTES: usize = 60;

impl Close {
    pub const fn code(&self) -> u16 {
        match self {
            Self::GoingAway => 1001,
            Self::ProtocolError => 1002,
            Self::NotUtf8 => 1007,
            Self::TooLarge => 1009,
            Self::BadMessage(_) => 4400,
            Self::Unauthorized => 4401,
            Self::Forbidden => 4403,
            Self::SubprotocolNotAcceptable => 4406,
            Self::InitTimeout => 4408,
            Self::SubscriberExists { .. } => 4409,
            Self::TooManyInits => 4429,
        }
    }

    /// What a message that could not be read is answered with; None where nobody is there any more.
    pub fn of(error: axum::Error) -> Option<Self> {
        match error.into_inner().downcast_ref::<tungstenite::Error>()? {
            tungstenite::Error::Capacity(_) => Some(Self::TooLarge),
            tungstenite::Error::Utf8(_) => Some(Self::NotUtf8),
            tungstenite::Error::Protocol(_) => Some(Self::ProtocolError),
            _ => None,
        }
    }

    fn reason(&self) -> String {
        match self {
            Self::GoingAway => "The server stops".to_owned(),
            Self::ProtocolError => "Frames break the WebSocket protocol".to_owned(),
            Self::NotUtf8 => "Text is not UTF-8".to_owned(),
            Self::TooLarge => "Message too large".to_owned(),
            Self::BadMessage(what) => (*what).to_owned(),
            Self::Unauthorized => "Unauthorized".to_owned(),
            Self::Forbidden => "Forbidden".to_owned(),
            Self::SubprotocolNotAcceptable => "Subprotocol not acceptable".to_owned(),
            Self::InitTimeout => "Connection initialisation timeout".to_owned(),
            Self::SubscriberExists { id } if id.len() <= ID_BYTES => {
                format!("Subscriber for {id} already exists")
            }
            Self::SubscriberExists { .. } => "Subscriber for this id already exists".to_owned(),
            Self::TooManyInits => "Too many initialisation requests".to_owned(),
        }
    }

    pub fn frame(&self) -> CloseFrame {
        CloseFrame { code: self.code(), reason: self.reason().into() }
    }
}

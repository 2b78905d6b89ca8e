//! `/v1/events`: a stream that is read as it comes.

use std::{collections::VecDeque, time::Duration};

use amends_protocol::v1::{EventGap, EventType, EventView};
use reqwest::{Method, Response};
use uuid::Uuid;

use crate::{Client, ClientError};

/// The server says something at least every 15 seconds.
const QUIET_AT_MOST: Duration = Duration::from_secs(60);
/// One message: an event with the largest output there can be stays below.
const MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Which events are wanted, and from where on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    pub saga: Option<Uuid>,
    /// Of definitions; empty means any.
    pub names: Vec<String>,
    /// Empty means any.
    pub types: Vec<EventType>,
    /// Behind this place; without one from now on, or from the beginning of what is kept.
    pub cursor: Option<String>,
    pub from_beginning: bool,
    /// Wait for what comes; otherwise the stream ends when everything that was there has been told.
    pub follow: bool,
}

/// What comes on a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    Event(Box<EventView>),
    /// Something is missing here.
    Gap(EventGap),
    /// Of a kind that this version does not know.
    Other(String),
}

/// A stream under way.
#[derive(Debug)]
pub struct EventStream {
    response: Response,
    unread: Vec<u8>,
    messages: VecDeque<(Option<String>, Message)>,
    cursor: Option<String>,
}

impl Client {
    /// Follows what happens to sagas.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn events(&self, events: &Events) -> Result<EventStream, ClientError> {
        let mut query: Vec<(&str, String)> = Vec::new();
        query.extend(events.saga.iter().map(|saga| ("saga", saga.to_string())));
        query.extend(events.names.iter().map(|name| ("name", name.clone())));
        query.extend(events.types.iter().map(|kind| ("type", kind.as_str().to_owned())));
        query.extend(events.cursor.iter().map(|cursor| ("cursor", cursor.clone())));
        if events.from_beginning {
            query.push(("from", "beginning".to_owned()));
        }
        if !events.follow {
            query.push(("follow", "false".to_owned()));
        }
        let response = self.query(Method::GET, &["v1", "events"], &query).open().await?;
        Ok(EventStream { response, unread: Vec::new(), messages: VecDeque::new(), cursor: None })
    }
}

impl EventStream {
    /// The next message; `None`: the server has ended the stream.
    ///
    /// # Errors
    /// The connection broke, or the server was silent for too long: go on from [`EventStream::cursor`].
    pub async fn next(&mut self) -> Result<Option<Message>, ClientError> {
        loop {
            if let Some((id, message)) = self.messages.pop_front() {
                // Behind it everything that was told before it is, too.
                self.cursor = id.or(self.cursor.take());
                return Ok(Some(message));
            }
            let Ok(chunk) = tokio::time::timeout(QUIET_AT_MOST, self.response.chunk()).await else {
                return Err(foreign("the stream is silent".to_owned()));
            };
            let Some(chunk) = chunk.map_err(ClientError::Transport)? else { return Ok(None) };
            self.take(&chunk)?;
        }
    }

    /// From where to go on: everything before it has been returned.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), ClientError> {
        // Only what is new can end a message, but for the line end before it.
        let mut from = self.unread.len().saturating_sub(1);
        self.unread.extend_from_slice(chunk);
        while let Some(end) = self.unread[from..].windows(2).position(|pair| pair == b"\n\n") {
            let rest = self.unread.split_off(from + end + 2);
            let message = std::mem::replace(&mut self.unread, rest);
            let text = String::from_utf8(message).map_err(|_| foreign("a message is not UTF-8".to_owned()))?;
            let (id, message) = parse(&text)?;
            match message {
                Some(message) => self.messages.push_back((id, message)),
                // Only a place: it counts once what came before it is returned.
                None => match self.messages.back_mut() {
                    Some(last) => last.0 = id.or(last.0.take()),
                    None => self.cursor = id.or(self.cursor.take()),
                },
            }
            from = 0;
        }
        if self.unread.len() > MESSAGE_BYTES {
            return Err(foreign(format!("a message is larger than {MESSAGE_BYTES} bytes")));
        }
        Ok(())
    }
}

/// The id and the message of some lines, if they have them.
fn parse(text: &str) -> Result<(Option<String>, Option<Message>), ClientError> {
    let (mut id, mut kind, mut data) = (None, "message", None::<String>);
    for line in text.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => id = Some(value.to_owned()),
            "event" => kind = value,
            "data" => match &mut data {
                Some(data) => data.push_str(&format!("\n{value}")),
                None => data = Some(value.to_owned()),
            },
            _ => {}
        }
    }
    let Some(data) = data else { return Ok((id, None)) };
    let unreadable = |error: serde_json::Error| foreign(format!("an event cannot be read: {error}"));
    let message = match kind {
        "gap" => Message::Gap(serde_json::from_str(&data).map_err(unreadable)?),
        kind if EventType::parse(kind).is_some() => Message::Event(serde_json::from_str(&data).map_err(unreadable)?),
        other => Message::Other(other.to_owned()),
    };
    Ok((id, Some(message)))
}

fn foreign(why: String) -> ClientError {
    ClientError::Foreign { status: 200, why }
}

//! `GET /v1/events`

use std::{collections::BTreeSet, time::Duration};

use amends_core::{ids::SagaId, time::Time};
use amends_engine::Engine;
use amends_events::{Cursor, Missed, Page, Reader, Wanted};
use amends_protocol::v1::{EventGap, EventType, EventView, GapReason};
use amends_store::{Places, StoreError};
use axum::{
    Extension,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, header};
use tokio::{
    sync::mpsc::{self, error::SendTimeoutError},
    time::{Instant, sleep},
};

use crate::{
    error::ApiError,
    openapi::{BadRequest, Overloaded, Unavailable},
    path::check_name,
    query::Query,
    streams::Streams,
};

/// Between two looks for something new. The store is asked for what is beyond the place of the stream, whoever wrote it.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// While the store is away.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Messages between a stream and the connection that carries it, each of one transaction or a part of it: what a slow reader costs.
const MESSAGES: usize = 4;
/// Names and types in one request.
const WANTED_MAX: usize = 32;

/// Follow what happens to sagas.
///
/// Server-sent events: each `data` is a CloudEvent in JSON, its `event` the CloudEvent's type. Every event comes at least once, under a
/// CloudEvent id that stays the same, and the events of one saga in order; between sagas there is no order. Any node tells
/// everything. An `id` is a cursor: give it back as `Last-Event-ID` (browsers do) or `cursor` to go on behind it. Where something
/// is missing (the cursor is older than what is kept, or sagas were purged meanwhile) comes an event `gap`.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "follow_events",
    tag = "events",
    params(
        ("saga" = Option<uuid::Uuid>, Query, description = "Only of this saga"),
        ("name" = Option<Vec<String>>, Query, description = "Only of sagas of this definition; may be repeated"),
        ("type" = Option<Vec<EventType>>, Query, description = "Only events of this type; may be repeated"),
        ("from" = Option<String>, Query, description = "Without a cursor: `now` (the default), or `beginning` for all that is kept", pattern = "^(now|beginning)$"),
        ("follow" = Option<bool>, Query, description = "`false`: end when everything that was there has been told; `true` is the default"),
        ("cursor" = Option<String>, Query, description = "Go on behind this place; for clients that cannot set `Last-Event-ID`, which counts more", min_length = 1),
        ("Last-Event-ID" = Option<String>, Header, description = "Go on behind this place"),
    ),
    responses(
        (status = 200, description = "A stream of EventView, and of EventGap where something is missing", body = EventView, content_type = "text/event-stream"),
        BadRequest, Overloaded, Unavailable,
    ),
)]
pub(crate) async fn events(
    State(engine): State<Engine>,
    Extension(streams): Extension<Streams>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    let asked = Asked::read(query, &headers)?;
    if !engine.accepting() {
        return Err(ApiError::ShuttingDown);
    }
    let place = streams.place().map_err(|max| ApiError::TooManyStreams { max })?;
    let (reader, missed) = asked.reader(&engine, &streams).await?;
    let (messages, mut body) = mpsc::channel::<Bytes>(MESSAGES);
    let stream = Stream { engine, streams, reader, messages, follow: asked.follow };
    tokio::spawn(async move {
        let ended = stream.run(missed).await;
        tracing::debug!(ended, "a stream of events has ended");
        drop(place);
    });
    let body = stream::poll_fn(move |context| body.poll_recv(context).map(|next| next.map(Ok::<_, std::io::Error>)));
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// What a stream is about, and where it begins.
struct Asked {
    wanted: Wanted,
    cursor: Option<Cursor>,
    from_beginning: bool,
    follow: bool,
}

impl Asked {
    fn read(mut query: Query, headers: &HeaderMap) -> Result<Self, ApiError> {
        let invalid = |text: String| ApiError::InvalidQuery(text);
        let saga = query.one("saga")?;
        let names = query.all("name");
        let types = query.all("type");
        let from = query.one("from")?;
        let follow = query.one("follow")?;
        let cursor = query.one("cursor")?;
        query.end(&["saga", "name", "type", "from", "follow", "cursor"])?;
        if names.len() > WANTED_MAX || types.len() > WANTED_MAX {
            return Err(invalid(format!("name and type: at most {WANTED_MAX} of each")));
        }
        let saga = saga.map(|id| id.parse::<SagaId>().map_err(|_| invalid(format!("saga: `{id}` is no id of a saga"))));
        for name in &names {
            check_name(name).map_err(|why| invalid(format!("name: {why}")))?;
        }
        let types: Result<BTreeSet<EventType>, ApiError> = types
            .iter()
            .map(|name| EventType::parse(name).ok_or_else(|| invalid(format!("type: there is no event `{name}`"))))
            .collect();
        let from_beginning = match from.as_deref() {
            None | Some("now") => false,
            Some("beginning") => true,
            Some(other) => return Err(invalid(format!("from: `{other}` is neither `now` nor `beginning`"))),
        };
        let follow = match follow.as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(other) => return Err(invalid(format!("follow: `{other}` is neither `true` nor `false`"))),
        };
        let last = headers.get("last-event-id").map(|value| value.to_str().map_err(|_| amends_events::NotACursor));
        let last = last.transpose()?.map(str::to_owned).or(cursor);
        let cursor = last.filter(|text| !text.is_empty()).map(|text| Cursor::parse(&text)).transpose()?;
        let wanted = Wanted { saga: saga.transpose()?, names: names.into_iter().collect(), types: types? };
        Ok(Self { wanted, cursor, from_beginning, follow })
    }

    async fn reader(&self, engine: &Engine, streams: &Streams) -> Result<(Reader, Missed), StoreError> {
        let (store, source, wanted) = (engine.store().clone(), streams.source.clone(), self.wanted.clone());
        let places = match &self.cursor {
            Some(cursor) => return Reader::resume(store, source, wanted, cursor.clone(), engine.now()).await,
            // What was dropped before is no gap: all that is kept was asked for.
            None if self.from_beginning => store.dropped().await?,
            None => store.places().await?,
        };
        Ok((Reader::from(store, source, wanted, places), Missed::Nothing))
    }
}

/// One stream, under way.
struct Stream {
    engine: Engine,
    streams: Streams,
    reader: Reader,
    messages: mpsc::Sender<Bytes>,
    follow: bool,
}

/// Why a stream ends.
type Ended = &'static str;

impl Stream {
    async fn run(mut self, missed: Missed) -> Ended {
        let engine = self.engine.clone();
        tokio::select! {
            biased;
            // So that a stop waits for no stream.
            () = engine.until_stopping() => "the server is shutting down",
            ended = self.tell(missed) => ended,
        }
    }

    async fn tell(&mut self, missed: Missed) -> Ended {
        // At once: whoever reads headers first knows that it is there, and where.
        let mut first = String::new();
        if missed == Missed::Something {
            first.push_str(&gap(
                GapReason::TooOld,
                "the place is older than what is kept: events are missing before this one",
            ));
        }
        push_id(&mut first, self.reader.places(), self.engine.now());
        first.push('\n');
        if let Err(ended) = self.send(first).await {
            return ended;
        }
        let mut told_at = Instant::now();
        loop {
            let page = match self.reader.next().await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "a stream of events waits for the store");
                    sleep(LOOK_AGAIN_AFTER).await;
                    continue;
                }
            };
            let quiet = page.is_none();
            if quiet && !self.follow {
                return "everything is told";
            }
            let message = page.map(|page| message(&page, self.engine.now())).unwrap_or_default();
            if !message.is_empty() {
                if let Err(ended) = self.send(message).await {
                    return ended;
                }
                told_at = Instant::now();
            }
            if told_at.elapsed() >= self.streams.heartbeat_every {
                // No data: it is no event, but the place counts.
                let mut heartbeat = String::from(": still here\n");
                push_id(&mut heartbeat, self.reader.places(), self.engine.now());
                heartbeat.push('\n');
                if let Err(ended) = self.send(heartbeat).await {
                    return ended;
                }
                told_at = Instant::now();
            }
            if quiet {
                tokio::select! {
                    () = self.messages.closed() => return "the reader is gone",
                    () = sleep(LOOK_EVERY) => {}
                }
            }
        }
    }

    async fn send(&self, message: String) -> Result<(), Ended> {
        match self.messages.send_timeout(message.into(), self.streams.slow_after).await {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Closed(_)) => Err("the reader is gone"),
            Err(SendTimeoutError::Timeout(_)) => Err("the reader takes nothing"),
        }
    }
}

/// The events of one transaction, or a part of it. The place comes with the last of them: whoever is cut off before is told all of them again.
fn message(page: &Page, now: Time) -> String {
    let mut message = String::new();
    if page.missed {
        message.push_str(&gap(GapReason::TooOld, "events were dropped before they could be told here"));
    }
    if page.untold > 0 {
        message.push_str(&gap(GapReason::Purged, &format!("{} events are of sagas that are not kept", page.untold)));
    }
    for (place, event) in page.events.iter().enumerate() {
        if place + 1 == page.events.len() {
            push_id(&mut message, &page.places, now);
        }
        let data = serde_json::to_string(event).expect("invariant: an event can be written");
        message.push_str(&format!("event: {}\ndata: {data}\n\n", event.kind.as_str()));
    }
    message
}

fn push_id(message: &mut String, places: &Places, at: Time) {
    let cursor = Cursor { places: places.clone(), at };
    message.push_str(&format!("id: {}\n", cursor.to_text()));
}

fn gap(reason: GapReason, detail: &str) -> String {
    let data = serde_json::to_string(&EventGap { reason, detail: detail.to_owned() });
    format!("event: gap\ndata: {}\n\n", data.expect("invariant: a gap can be written"))
}

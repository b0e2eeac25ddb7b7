//! The node's one connection: dialled out, held open, dialled again when it is lost.
//!
//! In: how to connect. Out: nothing but calls to the hub and lines for people. Promise: a lost stream
//! ends whatever step is under way at once; the node comes back by itself with growing pauses, never
//! more often than every [`FIRST_PAUSE`]; a hub that shut this district out ends it for good.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use flashlight_proto::wire::pb::district_client::DistrictClient;
use flashlight_proto::wire::{CODE_KEY, Directive, MESSAGE_MAX, one_line, pb};
use rand_core::{Rng as _, UnwrapErr};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::transport::Channel;

use crate::round::{Node, Outcome, Session};

/// The shortest pause before dialling again.
pub const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause.
pub const LAST_PAUSE: Duration = Duration::from_secs(30);

/// A connection that held this long starts the pauses from the first again.
const HELD: Duration = Duration::from_secs(20);

/// Directives that may wait for this node while it works on one.
const DIRECTIVE_QUEUE: usize = 64;

/// Codes with which the hub shuts a district out: dialling again would not help.
const FINAL_CODES: [&str; 2] = ["certificate_unknown", "certificate_revoked"];

/// A hub that refuses this node's certificate in the handshake says no more than that: TLS 1.3 lets
/// it hang up only after this node believes that it is connected.
const UNANSWERED: &str = "the hub hung up before it answered\n\
    node: hint: if this goes on, ask the hub: this node's certificate may have expired, or be of \
    another network\n\
    node: the hub was not reached";

/// How a connection ended early.
struct Broken {
    status: tonic::Status,
    /// Whether the hub had opened the stream of directives.
    is_answered: bool,
}

impl From<tonic::Status> for Broken {
    fn from(status: tonic::Status) -> Self {
        Self { status, is_answered: true }
    }
}

/// Why the node stopped for good.
#[derive(Debug, thiserror::Error)]
#[error("the hub refused this node: {message} ({code})")]
pub struct ShutOut {
    /// Stable.
    pub code: String,
    /// The hub's sentence.
    pub message: String,
}

/// Keeps the node connected until the hub shuts it out.
///
/// `connect` opens a channel, or says in one line why it could not; `tell` gets lines for people.
///
/// # Errors
/// [`ShutOut`] when the hub no longer knows this node's certificate.
pub async fn hold<C, F>(node: &Arc<Node>, connect: C, tell: impl Fn(&str)) -> Result<(), ShutOut>
where
    C: Fn() -> F,
    F: Future<Output = Result<Channel, String>>,
{
    let mut pause = FIRST_PAUSE;
    let mut last_told = String::new();
    loop {
        let since = Instant::now();
        let ended = match connect().await {
            Ok(channel) => match listen(node, channel, &tell).await {
                Ok(()) => "the hub closed the connection".to_owned(),
                Err(Broken { status, is_answered }) => {
                    if let Some(shut_out) = shut_out(&status) {
                        return Err(shut_out);
                    }
                    if is_answered {
                        let why = status.message();
                        one_line(&format!("the connection to the hub was lost: {why}"))
                    } else {
                        UNANSWERED.to_owned()
                    }
                }
            },
            Err(why) => why,
        };
        if since.elapsed() >= HELD {
            pause = FIRST_PAUSE;
            last_told.clear();
        }
        if ended != last_told {
            tell(&format!("{ended}; dialling again until it answers"));
            last_told = ended;
        }
        tokio::time::sleep(jitter(pause)).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// Half to all of a pause, so that sixty nodes do not come back in step.
fn jitter(pause: Duration) -> Duration {
    let half = pause / 2;
    let share = UnwrapErr(getrandom::SysRng).next_u32() % 1000;
    half + half * share / 1000
}

fn shut_out(status: &tonic::Status) -> Option<ShutOut> {
    let code = status.metadata().get(CODE_KEY)?.to_str().ok()?;
    FINAL_CODES
        .contains(&code)
        .then(|| ShutOut { code: code.to_owned(), message: status.message().to_owned() })
}

/// One connection: listens for directives and acts on each in turn, until the stream ends.
async fn listen(node: &Arc<Node>, channel: Channel, tell: &impl Fn(&str)) -> Result<(), Broken> {
    let mut client = DistrictClient::new(channel).max_decoding_message_size(MESSAGE_MAX);
    let software = concat!("flashlight ", env!("CARGO_PKG_VERSION")).to_owned();
    let opened = client.listen(pb::ListenRequest { software }).await;
    let mut stream = opened.map_err(|status| Broken { status, is_answered: false })?.into_inner();
    tell("connected to the hub");
    let (queue, mut directives) = mpsc::channel(DIRECTIVE_QUEUE);
    let mut session = Session::new(Arc::clone(node), client);
    let reading = async move {
        while let Some(wire) = stream.message().await? {
            let directive = Directive::try_from(wire).map_err(|error| {
                tonic::Status::invalid_argument(format!("the hub sent nonsense: {error}"))
            })?;
            if queue.send(directive).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let acting = async {
        while let Some(directive) = directives.recv().await {
            if let Outcome::Note(line) = session.act(directive).await? {
                tell(&one_line(&line));
            }
        }
        std::future::pending::<Result<(), Broken>>().await
    };
    // When the stream is gone, whatever is under way is dropped with it: its round is over.
    tokio::select! {
        result = reading => result,
        result = acting => result,
    }
}

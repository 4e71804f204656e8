//! Stands between a client and an HTTP service, such as S3, and does to requests what a test says.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpListener, sync::watch};

type Body = UnsyncBoxBody<Bytes, io::Error>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Pass,
    /// Answers itself, with this `<Code>`.
    Answer(u16, &'static str),
    /// Passes it on after so long.
    Slow(Duration),
    /// Does nothing until the plan is another; then passes it on.
    Hold,
    /// Breaks the connection after so many bytes of the body of the answer.
    Cut(usize),
    /// Passes the request on, and answers with this status as if it had failed.
    Lose(u16),
}

/// Method, and path with query.
type Seen = (Method, String);

type Plan = Box<dyn FnMut(&Method, &str) -> Action + Send>;

struct Shared {
    /// `host:port` of the service.
    upstream: String,
    client: Client<HttpConnector, Full<Bytes>>,
    plan: Mutex<Plan>,
    /// Tells of every new one.
    plans: watch::Sender<()>,
    seen: Mutex<Vec<Seen>>,
    under_way: AtomicUsize,
}

#[derive(Clone)]
pub struct FaultProxy {
    address: String,
    shared: Arc<Shared>,
}

impl FaultProxy {
    /// Passes everything on to `upstream` (`host:port`) at first.
    ///
    /// # Panics
    /// When loopback cannot be used.
    pub async fn start(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        let shared = Arc::new(Shared {
            upstream,
            // A connection for each request, as a used one may be closed already.
            client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http(),
            plan: Mutex::new(Box::new(|_, _| Action::Pass)),
            plans: watch::Sender::default(),
            seen: Mutex::default(),
            under_way: AtomicUsize::new(0),
        });
        let served = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let shared = Arc::clone(&served);
                let service = hyper::service::service_fn(move |request| {
                    let shared = Arc::clone(&shared);
                    async move { Ok::<_, Infallible>(shared.serve(request).await) }
                });
                // Whoever breaks a connection does so on purpose.
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(connection), service),
                );
            }
        });
        Self { address, shared }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on; what was seen is forgotten. `plan` gets the method and the path with its query.
    pub fn plan(&self, plan: impl FnMut(&Method, &str) -> Action + Send + 'static) {
        *locked(&self.shared.plan) = Box::new(plan);
        locked(&self.shared.seen).clear();
        self.shared.plans.send_replace(());
    }

    /// `action` for the next `times` requests that `concerns` is true of, then all pass.
    pub fn plan_times(
        &self,
        mut times: usize,
        action: Action,
        concerns: impl Fn(&Method, &str) -> bool + Send + 'static,
    ) {
        self.plan(move |method, path| {
            if times > 0 && concerns(method, path) {
                times -= 1;
                action
            } else {
                Action::Pass
            }
        });
    }

    /// How many requests came since the plan that `concerns` is true of.
    pub fn count(&self, concerns: impl Fn(&Method, &str) -> bool) -> usize {
        locked(&self.shared.seen).iter().filter(|(method, path)| concerns(method, path)).count()
    }

    /// Requests whose answer has not begun.
    pub fn under_way(&self) -> usize {
        self.shared.under_way.load(Ordering::SeqCst)
    }
}

struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    async fn serve(&self, request: Request<Incoming>) -> Response<Body> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        let _under_way = UnderWay(&self.under_way);
        let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let mut plans = self.plans.subscribe();
        let action = (locked(&self.plan))(request.method(), &path);
        locked(&self.seen).push((request.method().clone(), path.clone()));
        // Whole: an answer to half a request may get lost, and that a client left is noticed only after it.
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return answer(400, "") };
        let mut request = Request::from_parts(head, Full::new(body.to_bytes()));
        if action == Action::Hold {
            // An error means that the proxy ends.
            let _ = plans.changed().await;
        }
        if let Action::Slow(pause) = action {
            tokio::time::sleep(pause).await;
        }
        let cut = match action {
            Action::Answer(status, code) => return answer(status, code),
            Action::Cut(after) => Some(after),
            Action::Pass | Action::Slow(_) | Action::Hold | Action::Lose(_) => None,
        };
        // The host in the headers stays, as it is signed.
        let Ok(uri) = format!("http://{}{path}", self.upstream).parse() else { return answer(400, "") };
        *request.uri_mut() = uri;
        let Ok(passed) = self.client.request(request).await else { return answer(502, "") };
        if let Action::Lose(status) = action {
            // So that the service is done with it.
            let _ = passed.into_body().collect().await;
            return answer(status, "");
        }
        let (head, body) = passed.into_parts();
        let body = body.map_err(io::Error::other);
        let Some(after) = cut else { return Response::from_parts(head, body.boxed_unsync()) };
        let Ok(whole) = body.collect().await else { return answer(502, "") };
        let whole = whole.to_bytes();
        let begin = whole.slice(..after.min(whole.len()));
        let frames =
            stream::iter([Ok(Frame::data(begin)), Err(io::Error::other("cut"))]).then(|frame| async {
                // The first bytes get through.
                tokio::task::yield_now().await;
                frame
            });
        Response::from_parts(head, StreamBody::new(frames).boxed_unsync())
    }
}

fn answer(status: u16, code: &str) -> Response<Body> {
    let body = if code.is_empty() {
        Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync()
    } else {
        let document = format!("<Error><Code>{code}</Code><Message>As planned.</Message></Error>");
        Full::from(document).map_err(|never: Infallible| match never {}).boxed_unsync()
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(status).expect("plans name real statuses");
    answer
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

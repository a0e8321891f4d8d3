//! `octocity serve`: all roles in one process, or some of them, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use octocity_api::{ApiState, Auth, Limits, TokenEntry};
use octocity_log::WholeLog;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::analytics::{self, ServerAway, Telling};
use crate::args::{Role, ServeArgs};
use crate::config::{Config, Gateway};
use crate::failure::Failure;
use crate::following::Following;
use crate::kafka::{BrokerAway, Projecting, Relaying};
use crate::metrics::{Parts, Vitals};
use crate::node::Node;
use crate::open_files;
use crate::output::Output;
use crate::processing::Processing;
use crate::relay;
use crate::roles::Roles;
use crate::stopping::StopSignals;

const PAGE: &str = include_str!("../page/index.html");
/// How long open connections may take to end once the server stops.
const GOODBYE: Duration = Duration::from_secs(5);

/// A running server.
pub struct Server {
    pub node: Arc<Node>,
    pub address: SocketAddr,
    roles: Roles,
    closing: watch::Sender<bool>,
    web: JoinHandle<()>,
    pruning: JoinHandle<()>,
    working: Working,
}

/// The parts of a process, as its roles ask for them.
struct Working {
    following: Option<Following>,
    projecting: Option<Projecting>,
    processing: Option<Processing>,
    relaying: Option<Relaying>,
    telling: Option<Telling>,
}

impl Working {
    async fn start(
        config: &Config,
        roles: &Roles,
        node: &Arc<Node>,
        closed: &watch::Receiver<bool>,
    ) -> Result<Self, Failure> {
        let kafka = config.kafka.as_ref();
        let relaying = match kafka {
            Some(kafka) if roles.have(Role::Relay) => {
                Some(Relaying::start(kafka, node.events(), BrokerAway::TryAgain).await?)
            }
            _ => None,
        };
        let projecting = match kafka {
            Some(kafka) if roles.have(Role::Projector) && !roles.are_all() => {
                let rows = Arc::clone(&node.rows);
                Some(Projecting::start(kafka, node.events(), rows, closed.clone()).await?)
            }
            _ => None,
        };
        let telling = match &config.clickhouse {
            Some(clickhouse) if roles.have(Role::Analytics) => {
                let tail = Arc::new(WholeLog(node.events()));
                Some(Telling::start(clickhouse, tail, ServerAway::TryAgain, closed.clone()).await?)
            }
            _ => None,
        };
        let mut following = match roles.have(Role::Api) {
            true if roles.are_all() => Some(Following::of_engine(node.engine().await?)),
            true => Some(Following::of_rows(kafka, node).await?),
            false => None,
        };
        if let (Some(following), Some(clickhouse)) = (&mut following, &config.clickhouse) {
            let log = node.events();
            following.models.figures = analytics::figures(clickhouse, log.id(), log.epoch())?;
        }
        let processing = match roles.have(Role::Processes) {
            true => Some(Processing::start(node, roles.processes_from_now, closed.clone()).await?),
            false => None,
        };
        Ok(Self { following, projecting, processing, relaying, telling })
    }

    fn parts(&self) -> Parts {
        Parts {
            served: self.following.as_ref().map(|following| following.models.clone()),
            live: self.following.as_ref().and_then(|following| following.live.clone()),
            projected: self.projecting.as_ref().map(|projecting| projecting.models.clone()),
            projector: self.projecting.as_ref().map(Projecting::vitals),
            processes: self.processing.as_ref().map(Processing::standing),
            relay: self.relaying.as_ref().map(Relaying::vitals),
            figures: self.telling.as_ref().map(Telling::vitals),
        }
    }

    async fn stop(self) -> Result<(), Failure> {
        if let Some(processing) = self.processing {
            processing.stop().await?;
        }
        if let Some(relaying) = self.relaying {
            // Its fault was told when it ended, and is none of what is served.
            drop(relaying.stop().await);
        }
        if let Some(telling) = self.telling {
            drop(telling.stop().await);
        }
        if let Some(following) = self.following {
            following.stop().await?;
        }
        match self.projecting {
            Some(projecting) => projecting.stop().await,
            None => Ok(()),
        }
    }
}

impl Server {
    pub async fn start(config: &Config, roles: Roles) -> Result<Self, Failure> {
        config.check_listen()?;
        let node = Arc::new(Node::open(config).await?);
        let listener =
            TcpListener::bind(config.listen).await.map_err(|error| not_listening(config, &error))?;
        let address = listener.local_addr().map_err(|error| not_listening(config, &error))?;
        let (closing, closed) = watch::channel(false);
        let working = Working::start(config, &roles, &node, &closed).await?;
        let vitals = Arc::new(Vitals::new(Arc::clone(&node), working.parts()));
        let (handler, serves) = (Arc::clone(&node.handler), roles.have(Role::Api));
        let pruning = tokio::spawn(async move {
            if serves {
                handler.prune_daily().await;
            }
        });
        let limits = Limits { connections: open_files::room_for(config.connections), ..Limits::default() };
        let router = match &working.following {
            None => octocity_api::probe_routes(vitals),
            Some(following) => octocity_api::router(ApiState {
                handler: Arc::clone(&node.handler),
                log: node.events(),
                models: following.models.clone(),
                clock: Arc::clone(&node.clock),
                auth: auth(config),
                limits,
                listen: address,
                closing: closed.clone(),
                probes: vitals,
                page: PAGE,
            }),
        };
        let web = tokio::spawn(octocity_api::serve(listener, router, limits, closed));
        Ok(Self { node, address, roles, closing, web, pruning, working })
    }

    /// True once the server is to stop.
    pub fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Waits until a part has ended by a fault that does not pass, where nothing else is served here.
    async fn broken(&mut self) {
        match &mut self.working {
            Working { following: None, processing: None, projecting: Some(projecting), .. } => {
                projecting.ended().await;
            }
            _ => std::future::pending().await,
        }
    }

    /// Takes no more, answers what it has, and closes the log: within seconds.
    pub async fn stop(self) -> Result<(), Failure> {
        self.closing.send_replace(true);
        self.pruning.abort();
        let mut web = self.web;
        if tokio::time::timeout(GOODBYE, &mut web).await.is_err() {
            tracing::warn!("connections were still open; they are cut");
            web.abort();
        }
        self.working.stop().await
    }
}

fn auth(config: &Config) -> Auth {
    let entry = |token: &crate::config::Token| TokenEntry { name: token.name.clone(), sha256: token.sha256 };
    Auth::new(config.tokens.iter().map(entry))
}

pub fn not_listening(config: &Config, error: &std::io::Error) -> Failure {
    Failure::usage(format!(
        "{} cannot be listened on: {error}; stop what uses it or choose another address with --listen.",
        config.listen
    ))
}

fn serves_from(node: &Node) -> String {
    let services = || "EventStoreDB and PostgreSQL".to_owned();
    node.folder.as_ref().map_or_else(services, |folder| folder.dir().display().to_string())
}

/// Where to look.
pub fn say_where(server: &Server, output: Output) {
    let address = server.address;
    output.say(format!("Octocity serves from {}", serves_from(&server.node)));
    if server.roles.have(Role::Api) {
        output.say(format!("  live page    http://{address}/"));
        output.say(format!("  GraphiQL     http://{address}/graphiql"));
        output.say(format!("  GraphQL      http://{address}/graphql"));
    }
    output.say(format!("  health       http://{address}/health/ready"));
    output.say(format!("  metrics      http://{address}/metrics"));
    output.say(format!("  payments     {}", Gateway::said(server.node.gateway)));
    output.say("Ctrl-C stops it.");
}

pub async fn run(config: &Config, args: ServeArgs, output: Output) -> Result<(), Failure> {
    let mut told_to_stop = StopSignals::listen()?;
    let roles = Roles::try_new(args, config)?;
    if roles.are_relay_alone() {
        return relay::run(config, told_to_stop, output).await;
    }
    let mut server = Server::start(config, roles).await?;
    say_where(&server, output);
    tokio::select! {
        () = told_to_stop.received() => {}
        () = server.broken() => {}
    }
    say_stopping();
    close(server, output).await
}

pub fn say_stopping() {
    tracing::info!("stopping: what was accepted is finished and stored");
}

/// Stops, and says with `--json` what was served.
pub async fn close(server: Server, output: Output) -> Result<(), Failure> {
    let counters = server.node.log.counters();
    let address = server.address;
    server.stop().await?;
    output.finish(&serde_json::json!({
        "stopped": true,
        "listened": address.to_string(),
        "appended_events": counters.appended_events,
    }));
    Ok(())
}

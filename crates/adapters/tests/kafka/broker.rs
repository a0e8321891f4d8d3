//! A Kafka broker of our own, from the libraries that `cargo xtask services up` gets.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::ports::free_ports;

/// Runs the broker until its standard input ends: also when the test's process is killed.
const GUARDED: &str =
    "exec 2>/dev/null; \"$@\" >\"$LOG\" 2>&1 & broker=$!; cat >/dev/null; kill -9 $broker; wait $broker";
const START: Duration = Duration::from_secs(60);
/// Whom the second listener, with SASL, lets in.
pub const USER: (&str, &str) = ("city", "right");

pub struct Broker {
    folder: TempDir,
    pub address: String,
    /// The listener that asks for credentials.
    pub guarded_address: String,
    running: Mutex<Option<(Child, ChildStdin)>>,
}

/// For tests that leave the broker alone: one for all, each with topics of its own.
pub fn shared() -> &'static str {
    static SHARED: OnceLock<Result<String, Broker>> = OnceLock::new();
    let found = SHARED.get_or_init(|| match std::env::var("OCTOCITY_TEST_KAFKA") {
        Ok(address) => Ok(address),
        Err(_) => Err(Broker::start()),
    });
    found.as_deref().unwrap_or_else(|own| own.address.as_str())
}

impl Broker {
    pub fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let [client, guarded, controller] = free_ports().unwrap();
        let broker = Self {
            address: format!("127.0.0.1:{client}"),
            guarded_address: format!("127.0.0.1:{guarded}"),
            folder,
            running: Mutex::new(None),
        };
        fs::write(broker.properties(), properties(&broker, controller)).unwrap();
        let mut format = java("kafka.tools.StorageTool");
        format
            .args(["format", "--cluster-id", "b2N0b2NpdHlrYWZrYWxvZw", "--config"])
            .arg(broker.properties());
        let formatted =
            format.output().expect("lacking: java. To get it: apt-get install openjdk-17-jre-headless");
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
        broker.start_again();
        broker
    }

    pub fn start_again(&self) {
        let java = java("kafka.Kafka");
        let mut guarded = Command::new("sh");
        guarded
            .args(["-c", GUARDED, "sh"])
            .arg(java.get_program())
            .args(java.get_args())
            .arg(self.properties());
        guarded.env("LOG", self.log()).stdin(Stdio::piped());
        let mut child = guarded.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        *self.running.lock().unwrap() = Some((child, stdin));
        let begun = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            let log = || fs::read_to_string(self.log()).unwrap_or_default();
            assert!(begun.elapsed() < START, "Kafka does not answer; its log:\n{}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// As by a power cut.
    pub fn stop(&self) {
        if let Some((mut child, stdin)) = self.running.lock().unwrap().take() {
            drop(stdin);
            child.wait().unwrap();
        }
    }

    /// What one of Kafka's own command line tools says.
    #[allow(dead_code, reason = "some tests have a client")]
    pub fn tool(&self, class: &str, arguments: &[&str]) -> String {
        let ran = java(class).args(["--bootstrap-server", &self.address]).args(arguments).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    fn properties(&self) -> PathBuf {
        self.folder.path().join("server.properties")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

fn java(class: &str) -> Command {
    let mut java = Command::new("java");
    java.arg("-Xmx512m").arg("-cp").arg(libraries().join("*")).arg(class);
    java
}

/// Where they are, got from Maven if they are not: so long as that is under way, nobody sees half of them.
fn libraries() -> PathBuf {
    static GOT: Mutex<()> = Mutex::new(());
    let _one_at_a_time = GOT.lock().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let home = target.join("services/kafka");
    let (libraries, beside) = (home.join("lib"), home.join(format!("lib.{}", std::process::id())));
    if !libraries.exists() {
        fs::create_dir_all(&home).unwrap();
        let mut maven = Command::new("mvn");
        maven.args(["--quiet", "--batch-mode", "--file"]).arg(root.join("xtask/services/kafka.pom.xml"));
        maven.arg("dependency:copy-dependencies").arg(format!("-DoutputDirectory={}", beside.display()));
        let got = maven
            .status()
            .expect("lacking: mvn, or OCTOCITY_TEST_KAFKA=host:port. To get it: apt-get install maven");
        assert!(got.success(), "lacking: Kafka's libraries; mvn could not get them, see above");
        drop(fs::rename(&beside, &libraries));
    }
    libraries
}

fn properties(broker: &Broker, controller: u16) -> String {
    let (open, guarded, (user, password)) = (&broker.address, &broker.guarded_address, USER);
    let listeners = format!("PLAINTEXT://{open},SASL_PLAINTEXT://{guarded}");
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={listeners}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_{user}=\"{password}\";
log.dirs={}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
",
        broker.folder.path().join("data").display()
    )
}

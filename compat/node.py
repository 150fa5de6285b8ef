"""A data folder for `folders`, the broker that runs on it at the moment, and what can be seen of it from outside."""
import json, os, pathlib, random, re, shutil, signal, socket, subprocess, tempfile, threading, time

# A JVM that lives for seconds is not worth the best code.
os.environ.setdefault("KAFKA_OPTS", "-XX:TieredStopAtLevel=1")
HERE = pathlib.Path(__file__).resolve().parent
KAFKA = HERE / "kafka"
CLASSES = dict(line.split() for line in subprocess.run([KAFKA, "cmd"], capture_output=True, text=True).stdout.splitlines())
SMALL = ["internal.segment.bytes=4000", "index.interval.bytes=500"]
PROPERTIES = ["offsets.topic.num.partitions=2", "transaction.state.log.num.partitions=2", "log.cleaner.backoff.ms=100", "metadata.log.max.record.bytes.between.snapshots=4000", "log.flush.start.offset.checkpoint.interval.ms=200",
              "group.initial.rebalance.delay.ms=0", "offsets.topic.replication.factor=1",
              "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1"]
QUICK = ["-X", "fetch.wait.max.ms=5"]
count, told = {True: 0, False: 0}, threading.Lock()


def check(ok, what, detail=""):
    with told:
        count[bool(ok)] += 1
        if not ok:
            print("FAIL", what, str(detail)[:1500], flush=True)


def free_ports():
    """A port whose next one is free too, for the controller; below those that the system gives to clients."""
    return next(port for port in iter(lambda: random.randrange(15000, 30000, 2), None) if free(port) and free(port + 1))


def free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def wait(what, done, seconds=30):
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.02)


class Toolbox:
    """One JVM for all calls of Kafka's tools: starting one for each would take most of the time."""

    def __init__(self):
        self.lock, self.process = threading.Lock(), None

    def run(self, call, seconds=60):
        words = call.split(" ")
        with self.lock:
            if self.process is None:
                self.process = subprocess.Popen([KAFKA, "run", HERE / "Tools.java"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                                stderr=subprocess.STDOUT, text=True)
            watchdog = threading.Timer(seconds, self.process.kill)
            watchdog.start()
            print("\t".join([CLASSES[words[0]], *words[1:]]), file=self.process.stdin, flush=True)
            text = ""
            for line in self.process.stdout:
                if line.startswith("== "):
                    watchdog.cancel()
                    return int(line[3:]), text
                # Some tools leave a client behind, which complains in the middle of what others print.
                if not re.match(r"\[.* WARN \[AdminClient .*Node may not be available", line):
                    text += line
            self.process.wait()
            self.process = None
            return -1, f"no end after {seconds} s: {text}"

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()


TOOLBOX = Toolbox()


class Node:
    """A folder, laid out as `kafka broker start` does it, and the broker that runs on it at the moment."""

    def __init__(self, name, ottla):
        self.name, self.ottla, self.port = name, ottla, free_ports()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"folders-{name}-"))
        self.home, self.bootstrap = self.folder / "node-1", f"127.0.0.1:{self.port}"
        self.data, self.file, self.process = self.home / "data", self.home / "server.properties", None

    def check(self, ok, what, detail=""):
        check(ok, f"{self.name}: {what}:", detail)

    def properties(self):
        """What a person would write for both brokers, where `kafka broker start` has not written it."""
        self.home.mkdir(exist_ok=True)
        self.file.write_text("\n".join([
            "process.roles=broker,controller", "node.id=1", "controller.listener.names=CONTROLLER", f"log.dirs={self.data}",
            f"listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.port + 1}",
            f"controller.quorum.bootstrap.servers=127.0.0.1:{self.port + 1}", *PROPERTIES]) + "\n")

    def start_kafka(self):
        done = subprocess.run([KAFKA, "broker", "start", self.folder, "--port", str(self.port), *PROPERTIES],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, f"Kafka does not start: {done.stdout[-1500:]}"

    def stop_kafka(self, kill=False):
        if kill:
            os.kill(int((self.home / "pid").read_text()), signal.SIGKILL)
            wait("Kafka is dead", lambda: free(self.port))
        subprocess.run([KAFKA, "broker", "stop", self.folder], check=True)

    def start_ottla(self, *options):
        with open(self.folder / "ottla.log", "w") as log:
            self.process = subprocess.Popen([self.ottla, *(options or ["--config", self.file])], stdout=log, stderr=log)
        wait("Ottla starts", lambda: self.process.poll() is not None or not free(self.port))
        assert self.process.poll() is None, f"Ottla does not start: {(self.folder / 'ottla.log').read_text()[-1500:]}"

    def stop_ottla(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        status = self.process.wait(30)
        self.check(status == (0 if how == signal.SIGTERM else -how), "Ottla ends", f"status {status}")

    def close(self, keep):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.home.exists():
            subprocess.run([KAFKA, "broker", "stop", self.folder])
        if keep:
            print(self.name, "is kept in", self.folder)
        else:
            shutil.rmtree(self.folder)

    def tools(self, *calls):
        """Kafka's tools, one after the other: the output of each."""
        out = []
        for call in calls:
            status, text = TOOLBOX.run(call.replace("BROKER", self.bootstrap))
            out.append(text)
            self.check(status == 0, f"kafka cmd {call}", text[-1500:])
        return out

    def kcat(self, *words, send=None):
        done = subprocess.run(["kcat", "-b", self.bootstrap, "-m", "20", *words], input=send, capture_output=True, text=True, timeout=60)
        self.check(done.returncode == 0, f"kcat {' '.join(words)}", done.stderr)
        return done.stdout

    def produce(self, topic, label, number=60, *options):
        """Batches of ten, each with a key, headers and a timestamp."""
        lines = "".join(f"{label}-{n % 7}:{label} {n} {'x' * (n % 50)}\n" for n in range(number))
        self.kcat("-P", "-t", topic, "-K:", "-H", "h=1", "-H", f"label={label}", "-X", "batch.num.messages=10", *options, send=lines)

    def produce_all(self, label):
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            self.produce("codecs", f"{label}-{codec}", 60, "-z", codec)
        self.produce("idempotent", label, 60, "-X", "enable.idempotence=true", "-p", "0")
        self.produce("compacted", label, 60)

    def records(self):
        """Each topic's records with all that a consumer sees of them."""
        topics = [topic["topic"] for topic in json.loads(self.kcat("-L", "-J"))["topics"]]
        shape = "%p %o %T %K %k %h %S %s\n"
        return {topic: sorted(self.kcat("-C", "-e", "-q", "-t", topic, "-o", "beginning", "-f", shape, *QUICK).splitlines())
                for topic in sorted(topics) if not topic.startswith("__")}

    def picture(self):
        """The records, and what Kafka's tools tell, without what may differ: epochs, lags, features not served yet."""
        tools = ["topics --bootstrap-server BROKER --describe", "get-offsets --bootstrap-server BROKER --time -1",
                 "get-offsets --bootstrap-server BROKER --time -2", "get-offsets --bootstrap-server BROKER --time -3",
                 "features --bootstrap-server BROKER describe", "metadata-quorum --bootstrap-server BROKER describe --status",
                 "metadata-quorum --bootstrap-server BROKER describe --replication", "cluster cluster-id --bootstrap-server BROKER",
                 "consumer-groups --bootstrap-server BROKER --list", "consumer-groups --bootstrap-server BROKER --describe --all-groups",
                 "consumer-groups --bootstrap-server BROKER --describe --all-groups --state",
                 "cluster list-endpoints --bootstrap-server BROKER", "log-dirs --bootstrap-server BROKER --describe"]
        tools += [f"configs --bootstrap-server BROKER --describe --entity-type {entity}" for entity in
                  ("topics", "topics --entity-name codecs --all", "brokers", "brokers --entity-name 1 --all", "users", "clients")]
        seen = dict(zip(tools, map(normal, self.tools(*tools)))) | {f"records of {t}": r for t, r in self.records().items()}
        return seen

    def same(self, before, step, but=()):
        """The picture after a hand-over; a check for each part of it."""
        after = self.picture()
        for part in sorted(before.keys() | after.keys()):
            if part.endswith(but or "\n"):
                continue
            old, new = before.get(part), after.get(part)
            lost, more = [[x for x in a or [] if x not in (b or [])][:5] for a, b in ((old, new), (new, old))]
            self.check(old == new, f"{step}: {part}", f"\n  before: {lost}\n  after:  {more}")
        return after

    def obeys_rules(self, step):
        done = subprocess.run([HERE / "check-data-dir", self.data], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.check(done.returncode == 0 and "BROKEN" not in done.stdout, f"{step}: check-data-dir", done.stdout[-1500:])

    def inspect(self, step):
        """Every file of a broker that was stopped cleanly, by our own rules and by Kafka's."""
        self.obeys_rules(step)
        files = [str(p) for p in sorted(self.data.glob("*/*")) if not p.parent.name.endswith("-delete") and p.suffix in (".log", ".index", ".timeindex", ".txnindex", ".snapshot", ".checkpoint")]
        metadata, rest = [f for f in files if "__cluster_metadata" in f and "index" not in f], [f for f in files if "__cluster_metadata" not in f]
        snapshots = [f for f in metadata if f.endswith(".checkpoint") and "/00000000000000000000-" not in f]
        out = self.tools("dump-log --deep-iteration --files " + ",".join(f for f in rest if f.endswith("log")),
                         "dump-log --files " + ",".join(f for f in rest if not f.endswith("log")),
                         "dump-log --index-sanity-check --files " + ",".join(f for f in rest if "index" in f and os.path.getsize(f)),
                         "dump-log --cluster-metadata-decoder --deep-iteration --files " + ",".join(metadata))
        # The tool counts each file from -1, so that -1 before the first offset means nothing, nor do gaps in a compacted log.
        text = re.sub(r"Non-consecutive offsets in \S+/(?:compacted|plain|packed)-\S+\n(  .*\n)+|Non-consecutive offsets in \S+\n  -1 is followed by .*\n(?!  )", "", "\n".join(out))
        # An entry that names a batch which compaction has emptied, as Kafka's own do.
        text = re.sub(r"Found timestamp mismatch in \S+\n(  Index timestamp: \d+, log timestamp: -1\n)+", "", text)
        wrong = re.findall(r".*(?:isvalid: false|ismatch|onsecutive|xception|nvalid|orrupt|Could not|not found).*", text)
        self.check(not wrong and "isvalid: true" in out[0], f"{step}: dump-log", "\n".join(wrong[:5]) or out[0][:300])
        for snapshot in snapshots[-1:]:  # This tool has threads of its own that outlive it: a JVM for it alone.
            for _ in range(5):  # It answers from what it has read so far, and does not wait for the end of the snapshot.
                shown = subprocess.run([KAFKA, "cmd", "metadata-shell", "--snapshot", snapshot, "ls", "/image/topics/byName"],
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60).stdout
                if "codecs" in shown.split():
                    break
            self.check("codecs" in shown.split(), f"{step}: metadata-shell", shown)


def normal(text):
    """A tool's output as a list of lines that two brokers can agree on."""
    lines = []
    for line in text.splitlines():
        if line.startswith("{"):
            for at in json.loads(line)["brokers"]:
                lines += sorted(json.dumps(part, sort_keys=True) for folder in at["logDirs"] for part in folder["partitions"])
        elif not re.match(r"\[[-\d]+ [:,\d]+\] WARN \[AdminClient|Feature: (share|streams|transaction)\.version|\d+ .*(Leader|Observer)|(LeaderEpoch|HighWatermark|MaxFollower\w+): ", line):
            lines.append(re.sub(r"\s+Epoch: \d+", "", line))
    return sorted(lines)

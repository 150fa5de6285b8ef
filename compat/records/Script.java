// The same administrative requests to whichever broker: what it writes into its metadata log is compared afterwards.
import java.util.*;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.*;

public class Script {
    static int step = 0;

    interface Request {
        KafkaFuture<?> send() throws Exception;
    }

    static void run(String name, Request request) throws Exception {
        step++;
        try {
            request.send().get();
            System.out.println(step + " " + name + ": ok");
        } catch (ExecutionException e) {
            Throwable cause = e.getCause();
            System.out.println(step + " " + name + ": " + cause.getClass().getSimpleName() + ": " + cause.getMessage());
        }
    }

    static KafkaFuture<?> alter(Admin admin, ConfigResource.Type type, String name, String key, String value,
                                AlterConfigOp.OpType op) {
        var change = new AlterConfigOp(new ConfigEntry(key, value), op);
        return admin.incrementalAlterConfigs(Map.of(new ConfigResource(type, name), List.of(change))).all();
    }

    static KafkaFuture<?> quota(Admin admin, Map<String, String> entity, String key, Double value) {
        var op = new ClientQuotaAlteration.Op(key, value);
        return admin.alterClientQuotas(List.of(new ClientQuotaAlteration(new ClientQuotaEntity(entity), List.of(op)))).all();
    }

    static KafkaFuture<?> feature(Admin admin, String name, int level, FeatureUpdate.UpgradeType type) {
        return admin.updateFeatures(Map.of(name, new FeatureUpdate((short) level, type)), new UpdateFeaturesOptions()).all();
    }

    static KafkaFuture<?> reassign(Admin admin, String topic, Integer... replicas) {
        var target = replicas.length == 0 ? Optional.<NewPartitionReassignment>empty()
            : Optional.of(new NewPartitionReassignment(List.of(replicas)));
        return admin.alterPartitionReassignments(Map.of(new TopicPartition(topic, 0), target)).all();
    }

    public static void main(String[] args) throws Exception {
        var properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        try (Admin admin = Admin.create(properties)) {
            topics(admin);
            configs(admin);
            quotas(admin);
            scram(admin);
            features(admin);
            partitions(admin);
        }
    }

    static void topics(Admin admin) throws Exception {
        run("create", () -> admin.createTopics(List.of(new NewTopic("plain", 3, (short) 1))).all());
        run("create with configs", () -> admin.createTopics(List.of(new NewTopic("with.configs", 1, (short) 1)
            .configs(Map.of("retention.ms", "1000", "min.insync.replicas", "1", "cleanup.policy", "compact")))).all());
        run("create assigned", () -> admin.createTopics(List.of(new NewTopic("assigned",
            Map.of(0, List.of(1), 1, List.of(1))))).all());
        run("create with defaults", () -> admin.createTopics(List.of(new NewTopic("defaults", Optional.empty(),
            Optional.empty()))).all());
        run("validate", () -> admin.createTopics(List.of(new NewTopic("checked", 1, (short) 1)),
            new CreateTopicsOptions().validateOnly(true)).all());
        run("collide", () -> admin.createTopics(List.of(new NewTopic("with_configs", 1, (short) 1))).all());
        run("exists", () -> admin.createTopics(List.of(new NewTopic("plain", 1, (short) 1))).all());
        run("too many replicas", () -> admin.createTopics(List.of(new NewTopic("x", 1, (short) 3))).all());
        run("no partitions", () -> admin.createTopics(List.of(new NewTopic("x", 0, (short) 1))).all());
        run("bad name", () -> admin.createTopics(List.of(new NewTopic("a b", 1, (short) 1))).all());
        run("bad config", () -> admin.createTopics(List.of(new NewTopic("x", 1, (short) 1)
            .configs(Map.of("retention.ms", "soon")))).all());
        run("unknown config", () -> admin.createTopics(List.of(new NewTopic("x", 1, (short) 1)
            .configs(Map.of("no.such", "1")))).all());
        run("unknown broker", () -> admin.createTopics(List.of(new NewTopic("x", Map.of(0, List.of(7))))).all());
        run("gap", () -> admin.createTopics(List.of(new NewTopic("x", Map.of(1, List.of(1))))).all());
        run("create to delete", () -> admin.createTopics(List.of(new NewTopic("gone", 2, (short) 1)
            .configs(Map.of("retention.ms", "5000")))).all());
        run("delete", () -> admin.deleteTopics(List.of("gone")).all());
        run("delete unknown", () -> admin.deleteTopics(List.of("gone")).all());
        run("more partitions", () -> admin.createPartitions(Map.of("plain", NewPartitions.increaseTo(5))).all());
        run("assigned partitions", () -> admin.createPartitions(Map.of("assigned",
            NewPartitions.increaseTo(3, List.of(List.of(1))))).all());
        run("fewer partitions", () -> admin.createPartitions(Map.of("plain", NewPartitions.increaseTo(2))).all());
        run("same partitions", () -> admin.createPartitions(Map.of("plain", NewPartitions.increaseTo(5))).all());
        run("validate partitions", () -> admin.createPartitions(Map.of("plain", NewPartitions.increaseTo(9)),
            new CreatePartitionsOptions().validateOnly(true)).all());
    }

    static void configs(Admin admin) throws Exception {
        var topic = ConfigResource.Type.TOPIC;
        var broker = ConfigResource.Type.BROKER;
        var set = AlterConfigOp.OpType.SET;
        run("set", () -> alter(admin, topic, "plain", "segment.bytes", "2000000", set));
        run("set again", () -> alter(admin, topic, "plain", "segment.bytes", "2000000", set));
        run("append", () -> alter(admin, topic, "plain", "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND));
        run("subtract", () -> alter(admin, topic, "plain", "cleanup.policy", "delete", AlterConfigOp.OpType.SUBTRACT));
        run("delete", () -> alter(admin, topic, "plain", "cleanup.policy", "", AlterConfigOp.OpType.DELETE));
        run("append to no list", () -> alter(admin, topic, "plain", "segment.bytes", "1", AlterConfigOp.OpType.APPEND));
        run("min isr", () -> alter(admin, topic, "plain", "min.insync.replicas", "1", set));
        run("unknown topic", () -> alter(admin, topic, "none", "segment.bytes", "2000000", set));
        run("wrong value", () -> alter(admin, topic, "plain", "segment.bytes", "-1", set));
        run("all brokers", () -> alter(admin, broker, "", "log.retention.ms", "7000000", set));
        run("one broker", () -> alter(admin, broker, "1", "log.cleaner.threads", "2", set));
        run("one broker again", () -> alter(admin, broker, "1", "log.cleaner.threads", "2", set));
        run("broker min isr", () -> alter(admin, broker, "1", "min.insync.replicas", "1", set));
        run("cluster min isr gone", () -> alter(admin, broker, "", "min.insync.replicas", "", AlterConfigOp.OpType.DELETE));
        run("cluster min isr", () -> alter(admin, broker, "", "min.insync.replicas", "1", set));
        run("read-only", () -> alter(admin, broker, "1", "node.id", "2", set));
        run("group", () -> alter(admin, ConfigResource.Type.GROUP, "g", "consumer.session.timeout.ms", "50000", set));
        run("metrics", () -> alter(admin, ConfigResource.Type.CLIENT_METRICS, "m", "interval.ms", "5000", set));
        run("bad metrics", () -> alter(admin, ConfigResource.Type.CLIENT_METRICS, "m", "interval.ms", "1", set));
    }

    static void quotas(Admin admin) throws Exception {
        run("user", () -> quota(admin, Map.of("user", "u"), "producer_byte_rate", 1000.0));
        run("user and client", () -> quota(admin, Map.of("user", "u", "client-id", "c"), "consumer_byte_rate", 2000.0));
        var everyone = new HashMap<String, String>();
        everyone.put("user", null);
        run("default", () -> quota(admin, everyone, "request_percentage", 12.5));
        run("ip", () -> quota(admin, Map.of("ip", "1.2.3.4"), "connection_creation_rate", 7.0));
        run("same", () -> quota(admin, Map.of("user", "u"), "producer_byte_rate", 1000.0));
        run("other", () -> quota(admin, Map.of("user", "u"), "producer_byte_rate", 1001.0));
        run("remove", () -> quota(admin, Map.of("user", "u"), "producer_byte_rate", null));
        run("remove nothing", () -> quota(admin, Map.of("user", "u"), "producer_byte_rate", null));
        run("zero", () -> quota(admin, Map.of("user", "u"), "producer_byte_rate", 0.0));
        run("fraction", () -> quota(admin, Map.of("user", "u"), "producer_byte_rate", 0.5));
        run("unknown key", () -> quota(admin, Map.of("user", "u"), "no_such", 1.0));
        run("unknown entity", () -> quota(admin, Map.of("pet", "cat"), "producer_byte_rate", 1.0));
        run("bad ip", () -> quota(admin, Map.of("ip", "no where"), "connection_creation_rate", 1.0));
    }

    static void scram(Admin admin) throws Exception {
        var salt = "salt".getBytes();
        var info = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096);
        var large = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192);
        run("add", () -> admin.alterUserScramCredentials(List.of(
            new UserScramCredentialUpsertion("alice", info, "secret".getBytes(), salt))).all());
        run("add 512", () -> admin.alterUserScramCredentials(List.of(
            new UserScramCredentialUpsertion("alice", large, "secret".getBytes(), salt))).all());
        run("remove", () -> admin.alterUserScramCredentials(List.of(
            new UserScramCredentialDeletion("alice", ScramMechanism.SCRAM_SHA_256))).all());
        run("remove again", () -> admin.alterUserScramCredentials(List.of(
            new UserScramCredentialDeletion("alice", ScramMechanism.SCRAM_SHA_256))).all());
        run("few iterations", () -> admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion("bob",
            new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 1), "secret".getBytes(), salt))).all());
    }

    static void features(Admin admin) throws Exception {
        var up = FeatureUpdate.UpgradeType.UPGRADE;
        var safe = FeatureUpdate.UpgradeType.SAFE_DOWNGRADE;
        var unsafe = FeatureUpdate.UpgradeType.UNSAFE_DOWNGRADE;
        var elr = "eligible.leader.replicas.version";
        run("elr off", () -> feature(admin, elr, 0, safe));
        run("elr on", () -> feature(admin, elr, 1, up));
        run("elr 9", () -> feature(admin, elr, 9, up));
        run("metadata down", () -> feature(admin, "metadata.version", 29, safe));
        run("metadata down unsafe", () -> feature(admin, "metadata.version", 29, unsafe));
        run("metadata same", () -> feature(admin, "metadata.version", 30, up));
        run("kraft same", () -> feature(admin, "kraft.version", 1, up));
        run("unknown", () -> feature(admin, "no.such", 1, up));
    }

    static void partitions(Admin admin) throws Exception {
        var first = Set.of(new TopicPartition("plain", 0));
        run("elect preferred", () -> admin.electLeaders(ElectionType.PREFERRED, first).all());
        run("elect unclean", () -> admin.electLeaders(ElectionType.UNCLEAN, first).all());
        run("elect unknown", () -> admin.electLeaders(ElectionType.PREFERRED, Set.of(new TopicPartition("none", 0))).all());
        run("reassign to itself", () -> reassign(admin, "plain", 1));
        run("reassign to nobody", () -> reassign(admin, "plain", 9));
        run("reassign twice", () -> reassign(admin, "plain", 1, 1));
        run("cancel nothing", () -> reassign(admin, "plain"));
        run("reassign unknown", () -> reassign(admin, "none", 1));
        run("unregister", () -> admin.unregisterBroker(9).all());
    }
}

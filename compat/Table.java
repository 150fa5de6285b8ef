import java.util.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.StringSerializer;

/** Fills topics with all that a compaction can meet: kafka run Table.java BROKER PLAIN PACKED. */
public class Table {
    static final Random RANDOM = new Random(7);
    /** Some minutes ago, so that horizons of now and of a minute later lie equally many bytes away. */
    static final long TIME = System.currentTimeMillis() - 300_000;

    static KafkaProducer<String, String> producer(String broker, Object... options) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", broker);
        for (int at = 0; at < options.length; at += 2)
            properties.put((String) options[at], options[at + 1]);
        return new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
    }

    /** A batch of up to seven records; some have no value, a few have no key. */
    static void batch(Producer<String, String> producer, String topic, String label) {
        for (int count = 1 + RANDOM.nextInt(7); count > 0; count--) {
            String key = RANDOM.nextInt(30) == 0 ? null : "key-" + RANDOM.nextInt(15);
            String value = RANDOM.nextInt(5) == 0 ? null : label + "x".repeat(RANDOM.nextInt(90));
            RecordHeaders headers = new RecordHeaders();
            if (RANDOM.nextInt(3) == 0)
                headers.add("header", RANDOM.nextBoolean() ? null : label.getBytes());
            producer.send(new ProducerRecord<>(topic, 0, TIME - RANDOM.nextInt(1000), key, value, headers));
        }
        producer.flush();
    }

    public static void main(String[] arguments) {
        String broker = arguments[0], plain = arguments[1], packed = arguments[2];
        List<KafkaProducer<String, String>> all = new ArrayList<>(), transactional = new ArrayList<>(), codecs = new ArrayList<>();
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd"))
            codecs.add(producer(broker, "linger.ms", 1000, "compression.type", codec, "enable.idempotence", !codec.equals("lz4")));
        for (int id = 0; id < 3; id++) {
            transactional.add(producer(broker, "linger.ms", 1000, "transactional.id", "table-" + id));
            transactional.get(id).initTransactions();
        }
        for (int round = 0; round < 60; round++) {
            batch(codecs.get(0), plain, "round " + round);
            batch(codecs.get(round % codecs.size()), packed, "round " + round);
            for (KafkaProducer<String, String> one : transactional.subList(0, 1 + round % 3)) {
                one.beginTransaction();
                batch(one, plain, "transaction " + round);
                if (RANDOM.nextInt(3) == 0)
                    batch(one, plain, "transaction, again " + round);
            }
            for (KafkaProducer<String, String> one : transactional.subList(0, 1 + round % 3))
                if (RANDOM.nextBoolean()) one.commitTransaction(); else one.abortTransaction();
        }
        all.addAll(codecs);
        all.addAll(transactional);
        all.forEach(KafkaProducer::close);
    }
}

// What a Java client writes in transactions, and what it reads of them. One program, so that a test pays for few JVMs:
//   write <bootstrap>             committed, aborted, overlapping and, at the end, open transactions, among plain records, over several segments
//   read <bootstrap>              each partition at both isolation levels: where it ends, how many records, and their digest
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

public class TransactionLoad {
  static final String TOPIC = "decided";
  static final int PARTITIONS = 2;

  public static void main(String[] args) throws Exception {
    switch (args[0]) {
      case "write": write(args[1]); break;
      case "read": for (String isolation : List.of("read_committed", "read_uncommitted")) read(args[1], isolation); break;
      default: throw new IllegalArgumentException(args[0]);
    }
    // The open transactions stay open: closing their producers would abort them.
    System.out.flush();
    Runtime.getRuntime().halt(0);
  }

  static Map<String, Object> settings(String bootstrap) {
    Map<String, Object> settings = new HashMap<>();
    settings.put("bootstrap.servers", bootstrap);
    return settings;
  }

  static Producer<String, byte[]> producer(String bootstrap, String transactionalId) {
    Map<String, Object> settings = settings(bootstrap);
    settings.put("linger.ms", 0);
    settings.put("transaction.timeout.ms", 600_000);
    if (transactionalId != null) settings.put("transactional.id", transactionalId);
    Producer<String, byte[]> producer = new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer());
    if (transactionalId != null) producer.initTransactions();
    return producer;
  }

  static void send(Producer<String, byte[]> producer, String who, int number) {
    for (int partition = 0; partition < PARTITIONS; partition++) {
      byte[] value = Arrays.copyOf((who + " " + number).getBytes(StandardCharsets.UTF_8), 3_000);
      producer.send(new ProducerRecord<>(TOPIC, partition, who, value));
    }
  }

  static void write(String bootstrap) throws Exception {
    try (Admin admin = Admin.create(settings(bootstrap))) {
      NewTopic topic = new NewTopic(TOPIC, PARTITIONS, (short) 1).configs(Map.of("segment.bytes", "1048576"));
      admin.createTopics(List.of(topic)).all().get();
    }
    Producer<String, byte[]> plain = producer(bootstrap, null);
    Producer<String, byte[]> brief = producer(bootstrap, "brief");
    Producer<String, byte[]> lengthy = producer(bootstrap, "lengthy");
    for (int round = 0; round < 150; round++) {
      // One long transaction spans twenty short ones, and more than a segment in two of three.
      if (round % 20 == 0) lengthy.beginTransaction();
      brief.beginTransaction();
      for (int record = 0; record < 3; record++) {
        send(plain, "plain", round);
        send(brief, "brief", round);
        send(lengthy, "lengthy", round);
      }
      plain.flush();
      lengthy.flush();
      if (round % 3 == 1) {
        brief.flush();
        brief.abortTransaction();
      } else brief.commitTransaction();
      if (round % 20 == 19) {
        if (round % 40 == 19) lengthy.abortTransaction();
        else lengthy.commitTransaction();
      }
    }
    // "lengthy" is in its eighth, and stays there; this one begins behind it and is decided all the same.
    brief.beginTransaction();
    send(brief, "brief", 1_000);
    brief.flush();
    brief.abortTransaction();
    send(plain, "plain", 1_000);
    plain.flush();
  }

  static void read(String bootstrap, String isolation) throws Exception {
    Map<String, Object> settings = settings(bootstrap);
    settings.put("isolation.level", isolation);
    settings.put("max.partition.fetch.bytes", 300_000);
    settings.put("fetch.max.wait.ms", 50);
    for (int partition = 0; partition < PARTITIONS; partition++) {
      TopicPartition asked = new TopicPartition(TOPIC, partition);
      try (KafkaConsumer<String, byte[]> consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer())) {
        consumer.assign(List.of(asked));
        long end = consumer.endOffsets(List.of(asked)).get(asked);
        consumer.seekToBeginning(List.of(asked));
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        Map<String, Integer> counts = new TreeMap<>();
        long deadline = System.currentTimeMillis() + 60_000;
        while (consumer.position(asked) < end) {
          if (System.currentTimeMillis() > deadline) throw new IllegalStateException(isolation + " stands at " + consumer.position(asked) + " of " + end);
          for (ConsumerRecord<String, byte[]> record : consumer.poll(Duration.ofMillis(200))) {
            digest.update((record.offset() + " " + record.timestamp() + " " + record.key() + " ").getBytes(StandardCharsets.UTF_8));
            digest.update(record.value());
            counts.merge(record.key(), 1, Integer::sum);
          }
        }
        System.out.println(isolation + " " + partition + " end " + end + " " + counts + " " + HexFormat.of().formatHex(digest.digest()));
      }
    }
  }
}

// Fills a Kafka directory with every kind of record, adds to it later, and digests all of it, through Kafka's own Java clients.
//   populate <bootstrap>            topics with all codecs, keys, headers, compaction, transactions; groups; settings, quotas, credentials, ACLs
//   more <bootstrap> <round>        appends to each topic that is not transactional; commits on
//   aborted <bootstrap> <round>     more, and transactions
//   digest <bootstrap> <isolation>  one line per partition, group, topic: what a consumer and an admin client see
//   admin <bootstrap>               what only Apache Kafka shows: features, quotas, credentials, ACLs, broker settings, the quorum
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.resource.*;
import org.apache.kafka.common.serialization.*;

public class DirectoryLoad {
  static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
  static final long BASE_TIME = 1_700_000_000_000L;

  public static void main(String[] args) throws Exception {
    switch (args[0]) {
      case "populate": populate(args[1]); break;
      case "more": more(args[1], args[2], false); break;
      case "aborted": more(args[1], args[2], true); break;
      case "digest": digest(args[1], args[2]); break;
      case "admin": admin(args[1]); break;
      default: throw new IllegalArgumentException(args[0]);
    }
  }

  static Map<String, Object> settings(String bootstrap) {
    Map<String, Object> settings = new HashMap<>();
    settings.put("bootstrap.servers", bootstrap);
    settings.put("request.timeout.ms", 20_000);
    settings.put("default.api.timeout.ms", 30_000);
    return settings;
  }

  static Producer<byte[], byte[]> producer(String bootstrap, String codec, String transactionalId) {
    Map<String, Object> settings = settings(bootstrap);
    settings.put("acks", "all");
    settings.put("linger.ms", 5);
    settings.put("batch.size", 8192);
    settings.put("compression.type", codec);
    settings.put("delivery.timeout.ms", 40_000);
    settings.put("request.timeout.ms", 20_000);
    if (transactionalId != null) settings.put("transactional.id", transactionalId);
    return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static NewTopic topic(String name, int partitions, String... configs) {
    Map<String, String> settings = new HashMap<>();
    for (int i = 0; i < configs.length; i += 2) settings.put(configs[i], configs[i + 1]);
    return new NewTopic(name, partitions, (short) 1).configs(settings);
  }

  static void populate(String bootstrap) throws Exception {
    try (Admin admin = Admin.create(settings(bootstrap))) {
      List<NewTopic> topics = new ArrayList<>();
      for (String codec : CODECS) topics.add(topic("codec-" + codec, 2, "segment.bytes", "1048576", "index.interval.bytes", "512"));
      topics.add(topic("compacted", 2, "cleanup.policy", "compact", "segment.bytes", "1048576", "min.cleanable.dirty.ratio", "0.01"));
      topics.add(topic("transactional", 2));
      topics.add(topic("append-time", 1, "message.timestamp.type", "LogAppendTime"));
      topics.add(topic("odd", 3, "max.message.bytes", "2000000"));
      topics.add(topic("empty", 4));
      topics.add(topic("trimmed", 1, "segment.bytes", "1048576"));
      topics.add(topic("deleted", 2));
      admin.createTopics(topics).all().get();
      send(bootstrap, "none", "deleted", 2, 0, 100, 50);
      for (String codec : CODECS) send(bootstrap, codec, "codec-" + codec, 2, 0, 4000, 700);
      send(bootstrap, "lz4", "compacted", 2, 0, 12000, 300);
      send(bootstrap, "none", "append-time", 1, 0, 200, 20);
      send(bootstrap, "none", "trimmed", 1, 0, 4000, 700);
      odd(bootstrap, "populate");
      transactions(bootstrap, "populate");
      admin.deleteRecords(Map.of(new TopicPartition("trimmed", 0), RecordsToDelete.beforeOffset(2500))).all().get();
      admin.deleteTopics(List.of("deleted")).all().get();
      admin.createPartitions(Map.of("empty", NewPartitions.increaseTo(5))).all().get();
      commit(bootstrap, "group-one", 11);
      commit(bootstrap, "group-two", 22);
      admin.incrementalAlterConfigs(Map.of(
        new ConfigResource(ConfigResource.Type.TOPIC, "odd"), List.of(set("retention.ms", "-1"), set("segment.ms", "600000")),
        new ConfigResource(ConfigResource.Type.BROKER, ""), List.of(set("log.cleaner.threads", "2")),
        new ConfigResource(ConfigResource.Type.BROKER, "1"), List.of(set("num.io.threads", "6")),
        new ConfigResource(ConfigResource.Type.GROUP, "group-one"), List.of(set("consumer.session.timeout.ms", "50000")))).all().get();
      admin.alterClientQuotas(List.of(new ClientQuotaAlteration(new ClientQuotaEntity(Map.of("user", "alice", "client-id", "batch")),
        List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1048576.0), new ClientQuotaAlteration.Op("request_percentage", 40.0))))).all().get();
      admin.alterUserScramCredentials(List.of(
        new UserScramCredentialUpsertion("alice", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "secret"),
        new UserScramCredentialUpsertion("bob", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192), "secret"))).all().get();
      admin.createAcls(List.of(
        new AclBinding(new ResourcePattern(ResourceType.TOPIC, "codec-", PatternType.PREFIXED),
          new AccessControlEntry("User:alice", "*", AclOperation.READ, AclPermissionType.ALLOW)),
        new AclBinding(new ResourcePattern(ResourceType.GROUP, "*", PatternType.LITERAL),
          new AccessControlEntry("User:mallory", "10.0.0.1", AclOperation.ALL, AclPermissionType.DENY)))).all().get();
    }
    share(bootstrap);
  }

  static AlterConfigOp set(String name, String value) {
    return new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
  }

  /** Records with a key of 1,000, own timestamps, and values of which a third does not compress. */
  static void send(String bootstrap, String codec, String topic, int partitions, int from, int count, int size) throws Exception {
    try (Producer<byte[], byte[]> producer = producer(bootstrap, codec, null)) {
      Random random = new Random(topic.hashCode() + from);
      for (int i = from; i < from + count; i++) {
        byte[] noise = new byte[size / 3];
        random.nextBytes(noise);
        byte[] value = Arrays.copyOf(bytes("value " + i + " of " + topic + " "), size);
        System.arraycopy(noise, 0, value, size - noise.length, noise.length);
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, i % partitions, BASE_TIME + i * 10L, bytes("key-" + i % 1000), value);
        if (i % 5 == 0) record.headers().add("number", bytes(Integer.toString(i)));
        producer.send(record);
      }
    }
  }

  /** Null and empty keys and values, repeated and null headers, one large record, tombstones. */
  static void odd(String bootstrap, String round) throws Exception {
    try (Producer<byte[], byte[]> producer = producer(bootstrap, "gzip", null)) {
      byte[][] cells = {null, new byte[0], bytes("k-" + round)};
      for (byte[] key : cells)
        for (byte[] value : cells) {
          ProducerRecord<byte[], byte[]> record = new ProducerRecord<>("odd", 0, BASE_TIME, key, value);
          record.headers().add("h", null).add("h", new byte[0]).add("", bytes("x")).add("h", bytes(round));
          producer.send(record);
        }
      producer.send(new ProducerRecord<>("odd", 1, null, bytes("large"), new byte[1_000_000]));
      for (int i = 0; i < 20; i++) producer.send(new ProducerRecord<>("compacted", i % 2, bytes("key-" + i * 7), (byte[]) null));
      producer.flush();
    }
  }

  static void transactions(String bootstrap, String round) throws Exception {
    try (Producer<byte[], byte[]> producer = producer(bootstrap, "none", "tx-" + round)) {
      producer.initTransactions();
      for (int transaction = 0; transaction < 6; transaction++) {
        producer.beginTransaction();
        for (int i = 0; i < 50; i++)
          producer.send(new ProducerRecord<>("transactional", i % 2, BASE_TIME + i, bytes("t" + transaction), bytes(round + " " + i)));
        producer.flush();
        if (transaction % 3 == 1) producer.abortTransaction();
        else {
          producer.sendOffsetsToTransaction(Map.of(new TopicPartition("odd", 0), new OffsetAndMetadata(transaction + 1)), new ConsumerGroupMetadata("group-tx"));
          producer.commitTransaction();
        }
      }
    }
  }

  static void commit(String bootstrap, String group, int base) throws Exception {
    Map<String, Object> settings = settings(bootstrap);
    settings.put("group.id", group);
    settings.put("enable.auto.commit", false);
    settings.put("auto.offset.reset", "earliest");
    try (Consumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      consumer.subscribe(List.of("codec-none", "odd"));
      long end = System.currentTimeMillis() + 15_000;
      while (consumer.assignment().isEmpty() && System.currentTimeMillis() < end) consumer.poll(Duration.ofMillis(100));
      Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
      for (TopicPartition partition : consumer.assignment())
        offsets.put(partition, new OffsetAndMetadata(base + partition.partition(), Optional.of(0), "by " + group));
      if (offsets.isEmpty()) throw new IllegalStateException("no assignment for " + group);
      consumer.commitSync(offsets);
    }
  }

  /** Some acknowledged and released records of a share group, so that `__share_group_state` is there. */
  static void share(String bootstrap) throws Exception {
    try (Admin admin = Admin.create(settings(bootstrap))) {
      admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, "shared"),
        List.of(set("share.auto.offset.reset", "earliest")))).all().get();
    }
    Map<String, Object> settings = settings(bootstrap);
    settings.put("group.id", "shared");
    settings.put("share.acknowledgement.mode", "explicit");
    try (ShareConsumer<byte[], byte[]> consumer = new KafkaShareConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      consumer.subscribe(List.of("append-time"));
      long end = System.currentTimeMillis() + 20_000;
      int seen = 0;
      while (seen < 50 && System.currentTimeMillis() < end)
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
          consumer.acknowledge(record, seen++ % 3 == 0 ? AcknowledgeType.RELEASE : AcknowledgeType.ACCEPT);
        }
      consumer.commitSync();
      if (seen == 0) throw new IllegalStateException("the share group got nothing");
    }
  }

  static void more(String bootstrap, String round, boolean withTransactions) throws Exception {
    int from = 100_000 * Integer.parseInt(round);
    for (String codec : CODECS) send(bootstrap, codec, "codec-" + codec, 2, from, 800, 700);
    send(bootstrap, "none", "compacted", 2, from, 9000, 300);
    send(bootstrap, "none", "append-time", 1, from, 50, 20);
    send(bootstrap, "none", "empty", 5, from, 50, 20);
    odd(bootstrap, round);
    if (withTransactions) transactions(bootstrap, round);
    commit(bootstrap, "group-one", from);
    try (Admin admin = Admin.create(settings(bootstrap))) {
      admin.createTopics(List.of(topic("made-in-" + round, 3, "segment.bytes", "1048576"))).all().get();
      admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.TOPIC, "empty"),
        List.of(set("retention.ms", Integer.toString(from))))).all().get();
    }
    send(bootstrap, "snappy", "made-in-" + round, 3, from, 300, 100);
  }

  static String hex(byte[] digest) {
    return HexFormat.of().formatHex(digest, 0, 12);
  }

  static void field(MessageDigest digest, byte[] value) {
    digest.update(java.nio.ByteBuffer.allocate(4).putInt(value == null ? -1 : value.length).array());
    if (value != null) digest.update(value);
  }

  static void digest(String bootstrap, String isolation) throws Exception {
    SortedSet<String> lines = new TreeSet<>();
    try (Admin admin = Admin.create(settings(bootstrap))) {
      Map<String, TopicDescription> topics = admin.describeTopics(admin.listTopics().names().get()).allTopicNames().get();
      List<TopicPartition> partitions = new ArrayList<>();
      List<ConfigResource> resources = new ArrayList<>();
      for (TopicDescription topic : topics.values()) {
        lines.add("topic " + topic.name() + " " + topic.topicId() + " partitions " + topic.partitions().size());
        resources.add(new ConfigResource(ConfigResource.Type.TOPIC, topic.name()));
        topic.partitions().forEach(partition -> partitions.add(new TopicPartition(topic.name(), partition.partition())));
      }
      admin.describeConfigs(resources).all().get().forEach((resource, config) -> config.entries().stream()
        .filter(entry -> entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG)
        .forEach(entry -> lines.add("config " + resource.name() + " " + entry.name() + "=" + entry.value())));
      for (String group : List.of("group-one", "group-two", "group-tx"))
        admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
          .forEach((partition, offset) -> lines.add("group " + group + " " + partition + " " + offset.offset() + " " + offset.metadata()));
      Map<String, Object> settings = settings(bootstrap);
      settings.put("isolation.level", isolation);
      settings.put("auto.offset.reset", "none");
      settings.put("max.poll.records", 5000);
      settings.put("fetch.max.wait.ms", 100);
      try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
        consumer.assign(partitions);
        Map<TopicPartition, Long> starts = consumer.beginningOffsets(partitions);
        Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
        starts.forEach(consumer::seek);
        Map<TopicPartition, MessageDigest> digests = new HashMap<>();
        Map<TopicPartition, Map<String, String>> latest = new HashMap<>();
        Map<TopicPartition, Integer> counts = new HashMap<>();
        for (TopicPartition partition : partitions) digests.put(partition, MessageDigest.getInstance("SHA-256"));
        Set<TopicPartition> open = new HashSet<>(partitions);
        long deadline = System.currentTimeMillis() + 60_000;
        while (!open.isEmpty()) {
          if (System.currentTimeMillis() > deadline) throw new IllegalStateException("not at the end: " + open);
          for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
            TopicPartition partition = new TopicPartition(record.topic(), record.partition());
            if (record.offset() >= ends.get(partition)) continue;
            MessageDigest digest = digests.get(partition);
            digest.update(bytes(record.offset() + " " + record.timestamp() + " " + record.timestampType() + " " + record.leaderEpoch() + " " + record.headers().toArray().length));
            field(digest, record.key());
            field(digest, record.value());
            for (Header header : record.headers()) {
              field(digest, bytes(header.key()));
              field(digest, header.value());
            }
            counts.merge(partition, 1, Integer::sum);
            if (record.topic().equals("compacted"))
              latest.computeIfAbsent(partition, any -> new TreeMap<>()).put(new String(record.key(), StandardCharsets.UTF_8),
                record.offset() + " " + (record.value() == null ? "null" : Arrays.hashCode(record.value())));
          }
          open.removeIf(partition -> consumer.position(partition) >= ends.get(partition));
        }
        for (TopicPartition partition : partitions)
          lines.add("records " + partition + " " + starts.get(partition) + ".." + ends.get(partition) + " count "
            + counts.getOrDefault(partition, 0) + " sha256 " + hex(digests.get(partition).digest()));
        latest.forEach((partition, values) -> {
          values.values().removeIf(value -> value.endsWith(" null"));
          lines.add("latest " + partition + " keys " + values.size() + " hash " + values.hashCode());
        });
      }
    }
    lines.forEach(System.out::println);
  }

  static void admin(String bootstrap) throws Exception {
    SortedSet<String> lines = new TreeSet<>();
    try (Admin admin = Admin.create(settings(bootstrap))) {
      admin.describeFeatures().featureMetadata().get().finalizedFeatures()
        .forEach((name, range) -> lines.add("feature " + name + " " + range.maxVersionLevel()));
      admin.describeUserScramCredentials().all().get()
        .forEach((user, credentials) -> lines.add("scram " + user + " " + credentials.credentialInfos()));
      admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get()
        .forEach((entity, quota) -> lines.add("quota " + new TreeMap<>(entity.entries()) + " " + new TreeMap<>(quota)));
      admin.describeAcls(AclBindingFilter.ANY).values().get().forEach(binding -> lines.add("acl " + binding));
      for (ConfigResource resource : List.of(new ConfigResource(ConfigResource.Type.BROKER, ""),
          new ConfigResource(ConfigResource.Type.BROKER, "1"), new ConfigResource(ConfigResource.Type.GROUP, "group-one"),
          new ConfigResource(ConfigResource.Type.GROUP, "shared")))
        admin.describeConfigs(List.of(resource)).all().get().get(resource).entries().stream()
          .filter(entry -> entry.source().name().startsWith("DYNAMIC"))
          .forEach(entry -> lines.add("setting " + resource.type() + " " + resource.name() + " " + entry.name() + "=" + entry.value() + " " + entry.source()));
    }
    lines.forEach(System.out::println);
  }
}

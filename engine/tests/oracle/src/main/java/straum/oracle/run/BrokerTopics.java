package straum.oracle.run;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.TopologyDescription;
import org.apache.kafka.streams.TopologyDescription.Sink;
import org.apache.kafka.streams.TopologyDescription.Source;
import straum.oracle.fixtures.Recording;
import straum.oracle.fixtures.Step;
import straum.oracle.fixtures.Step.Send;

/** The live broker's side of a cached run: its topics, what is in them, how far the application has come. */
public final class BrokerTopics implements AutoCloseable {
    private static final String REPARTITION = "-repartition";
    private static final int PATIENT_MILLIS = 10 * 60 * 1000;
    private static final long LEADER_POLL_MILLIS = 20;

    private final String bootstrap;
    private final Admin admin;

    public BrokerTopics(final String bootstrap) {
        this.bootstrap = bootstrap;
        this.admin = Admin.create(Map.of(
            "bootstrap.servers", bootstrap, "default.api.timeout.ms", PATIENT_MILLIS, "request.timeout.ms", PATIENT_MILLIS));
    }

    String bootstrap() {
        return bootstrap;
    }

    /**
     * Creates the topics that the application reads and writes, with one partition. Repartition topics are among them: a
     * topic that appears after the application has joined its group makes it join again, and commit while it does.
     */
    void create(final TopologyDescription description, final String applicationId) throws Exception {
        final Set<String> topics = new TreeSet<>();
        description.subtopologies().forEach(subtopology -> subtopology.nodes().forEach(node -> {
            if (node instanceof Source source) {
                topics.addAll(source.topicSet());
            } else if (node instanceof Sink sink) {
                topics.add(sink.topic());
            }
        }));
        final List<String> repartitions = topics.stream().filter(topic -> topic.endsWith(REPARTITION)).toList();
        repartitions.forEach(topic -> {
            topics.remove(topic);
            topics.add(applicationId + "-" + topic);
        });
        // Without this the broker would delete records for their timestamps of long ago, inputs and outputs alike.
        final Map<String, String> keepForEver = Map.of("retention.ms", "-1");
        admin.createTopics(topics.stream().map(topic -> new NewTopic(topic, 1, (short) 1).configs(keepForEver)).toList()).all().get();
        awaitLeaders(topics);
    }

    /** Topics are created at the controller; the broker learns of them a little later. */
    private void awaitLeaders(final Set<String> topics) throws Exception {
        while (!allHaveLeaders(topics)) {
            TimeUnit.MILLISECONDS.sleep(LEADER_POLL_MILLIS);
        }
    }

    private boolean allHaveLeaders(final Set<String> topics) throws Exception {
        try {
            return admin.describeTopics(topics).allTopicNames().get().values().stream()
                .allMatch(topic -> topic.partitions().get(0).leader() != null);
        } catch (final ExecutionException failure) {
            if (failure.getCause() instanceof UnknownTopicOrPartitionException) {
                return false;
            }
            throw failure;
        }
    }

    void send(final List<Step> steps) throws Exception {
        final Properties properties = new Properties();
        properties.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        properties.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, PATIENT_MILLIS);
        // In order by one request at a time; an idempotent producer may never get over a first error on a new topic.
        properties.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, false);
        properties.put(ProducerConfig.MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION, 1);
        properties.put(ProducerConfig.ACKS_CONFIG, "all");
        properties.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, PATIENT_MILLIS);
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
            final List<Future<?>> sent = new ArrayList<>();
            for (final Step step : steps) {
                final Send send = (Send) step;
                sent.add(producer.send(new ProducerRecord<>(send.topic(), 0, send.timestamp(), send.key(), send.value(), send.headers())));
            }
            for (final Future<?> one : sent) {
                one.get();
            }
        }
    }

    /** The sum of the end offsets of the topics that the application reads. */
    long ends(final String applicationId, final JsonNode topology) throws Exception {
        return endOffsets(sources(applicationId, topology)).values().stream().mapToLong(Long::longValue).sum();
    }

    /** The sum of the offsets that the application has committed. */
    long committed(final String applicationId, final JsonNode topology) throws Exception {
        final Set<String> sources = sources(applicationId, topology);
        final Map<TopicPartition, OffsetAndMetadata> offsets =
            admin.listConsumerGroupOffsets(applicationId).partitionsToOffsetAndMetadata().get();
        return offsets.entrySet().stream()
            .filter(entry -> entry.getValue() != null && sources.contains(entry.getKey().topic()))
            .mapToLong(entry -> entry.getValue().offset()).sum();
    }

    /** How many records the application has yet to read. */
    long pending(final String applicationId, final JsonNode topology) throws Exception {
        return ends(applicationId, topology) - committed(applicationId, topology);
    }

    /** Records all topics of the application but its inputs, and its stores as their changelogs have them. */
    void record(final String applicationId, final JsonNode topology, final Recording recording) throws Exception {
        final Set<String> topics = topics(applicationId);
        topics.removeAll(inputs(topology));
        for (final String topic : topics) {
            final List<ConsumerRecord<byte[], byte[]>> records = read(topic);
            records.forEach(record -> recording.record(topic, -1, record.key(), record.value(), record.timestamp(), record.headers()));
            if (topic.endsWith("-changelog")) {
                recording.storeFromChangelog(topic, topic.substring(applicationId.length() + 1, topic.length() - "-changelog".length()));
            }
        }
    }

    private List<ConsumerRecord<byte[], byte[]>> read(final String topic) throws Exception {
        final Map<String, Object> properties = new HashMap<>();
        properties.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        properties.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, PATIENT_MILLIS);
        final TopicPartition partition = new TopicPartition(topic, 0);
        final long end = endOffsets(Set.of(topic)).get(topic);
        final List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            while (consumer.position(partition) < end) {
                consumer.poll(Duration.ofMillis(200)).forEach(records::add);
            }
        }
        return records;
    }

    /** The topics that the application reads and that exist by now. */
    private Set<String> sources(final String applicationId, final JsonNode topology) throws Exception {
        final Set<String> sources = inputs(topology);
        topics(applicationId).stream().filter(topic -> topic.endsWith(REPARTITION)).forEach(sources::add);
        return sources;
    }

    private static Set<String> inputs(final JsonNode topology) {
        final Set<String> inputs = new TreeSet<>();
        for (final JsonNode node : topology) {
            if (node.has("topic") && !node.get("op").asText().equals("to")) {
                inputs.add(node.get("topic").asText());
            }
        }
        return inputs;
    }

    private Set<String> topics(final String applicationId) throws Exception {
        return admin.listTopics().names().get().stream()
            .filter(topic -> topic.startsWith(applicationId + "-") || topic.startsWith(applicationId + "."))
            .filter(topic -> topic.startsWith(applicationId + ".") || topic.endsWith("-changelog") || topic.endsWith(REPARTITION))
            .collect(Collectors.toCollection(TreeSet::new));
    }

    private Map<String, Long> endOffsets(final Set<String> topics) throws ExecutionException, InterruptedException {
        final Map<TopicPartition, OffsetSpec> latest = topics.stream()
            .collect(Collectors.toMap(topic -> new TopicPartition(topic, 0), topic -> OffsetSpec.latest()));
        return admin.listOffsets(latest).all().get().entrySet().stream().collect(Collectors.toMap(
            entry -> entry.getKey().topic(), entry -> entry.getValue().offset(), Long::sum, TreeMap::new));
    }

    @Override
    public void close() {
        admin.close();
    }
}

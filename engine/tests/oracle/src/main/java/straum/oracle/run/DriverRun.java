package straum.oracle.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.TimestampedKeyValueStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;
import org.apache.kafka.streams.test.TestRecord;
import straum.oracle.fixtures.Fixture;
import straum.oracle.fixtures.Recording;
import straum.oracle.fixtures.Step;
import straum.oracle.language.Interpreter;

/** Runs a description through Kafka Streams' TopologyTestDriver: one partition, no caching, wall clock at 0 to begin with. */
public final class DriverRun {
    public static final String APPLICATION_ID = "oracle";

    private DriverRun() {
    }

    public static ObjectNode fixture(final String name, final JsonNode topology, final List<Step> steps) {
        final Recording recording = new Recording(topology, APPLICATION_ID);
        try (TopologyTestDriver driver = new TopologyTestDriver(Interpreter.topology(topology), configuration(), Instant.EPOCH)) {
            final Map<String, TestInputTopic<String, String>> inputs = new HashMap<>();
            final Map<String, TestOutputTopic<byte[], byte[]>> outputs = new TreeMap<>();
            for (int index = 0; index < steps.size(); index++) {
                if (steps.get(index) instanceof Step.Send send) {
                    inputs.computeIfAbsent(send.topic(), topic -> driver.createInputTopic(topic, new StringSerializer(), new StringSerializer()))
                        .pipeInput(new TestRecord<>(send.key(), send.value(), send.headers(), send.timestamp()));
                } else if (steps.get(index) instanceof Step.Advance advance) {
                    driver.advanceWallClockTime(Duration.ofMillis(advance.millis()));
                }
                collect(driver, outputs, index, recording);
            }
            recordStores(driver, recording);
        }
        return Fixture.ran(name, APPLICATION_ID, 0, topology, steps, recording);
    }

    private static Properties configuration() {
        final Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, APPLICATION_ID);
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "unused:1");
        properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        properties.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.NO_OPTIMIZATION);
        properties.put(StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG, BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers.class);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, System.getProperty("oracle.state", System.getProperty("java.io.tmpdir")));
        return properties;
    }

    private static void collect(
        final TopologyTestDriver driver, final Map<String, TestOutputTopic<byte[], byte[]>> outputs, final int step, final Recording recording) {
        for (final String topic : new TreeSet<>(driver.producedTopicNames())) {
            final TestOutputTopic<byte[], byte[]> output = outputs.computeIfAbsent(topic,
                name -> driver.createOutputTopic(name, new ByteArrayDeserializer(), new ByteArrayDeserializer()));
            while (!output.isEmpty()) {
                final TestRecord<byte[], byte[]> record = output.readRecord();
                recording.record(topic, step, record.key(), record.value(), record.timestamp(), record.headers());
            }
        }
    }

    private static void recordStores(final TopologyTestDriver driver, final Recording recording) {
        for (final Map.Entry<String, StateStore> store : new TreeMap<>(driver.getAllStateStores()).entrySet()) {
            recordStore(store.getKey(), store.getValue(), recording);
        }
    }

    @SuppressWarnings("unchecked")
    private static void recordStore(final String name, final StateStore store, final Recording recording) {
        final boolean timestamped = store instanceof TimestampedKeyValueStore;
        recording.store(name, timestamped);
        try (KeyValueIterator<String, Object> all = ((KeyValueStore<String, Object>) store).all()) {
            all.forEachRemaining(entry -> {
                if (entry.value instanceof ValueAndTimestamp<?> stored) {
                    recording.entry(name, entry.key, stored.value().toString(), stored.timestamp());
                } else {
                    recording.entry(name, entry.key, entry.value.toString(), null);
                }
            });
        }
    }
}

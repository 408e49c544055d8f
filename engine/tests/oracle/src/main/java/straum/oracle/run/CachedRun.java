package straum.oracle.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.streams.StreamsConfig;
import straum.oracle.fixtures.Fixture;
import straum.oracle.fixtures.Recording;
import straum.oracle.fixtures.Step;
import straum.oracle.language.Interpreter;

/** One topology on a live broker, one partition a topic, at-least-once, with caching and a single commit: the one at close. */
public record CachedRun(String name, String applicationId, long cacheBytes, JsonNode topology, List<Step> steps) {
    private static final String NEVER_MILLIS = Long.toString(24L * 60 * 60 * 1000);
    private static final String PATIENT_MILLIS = Long.toString(10L * 60 * 1000);
    private static final int MOST_STARTS = 6;

    /**
     * All inputs are there before the first start. The application is started and closed until nothing is left between its
     * tasks: what a task writes to a repartition topic at close is read at the next start.
     */
    public ObjectNode fixture(final BrokerTopics broker, final Path stateFolder) throws Exception {
        broker.create(Interpreter.topology(topology).describe(), applicationId);
        broker.send(steps);
        int starts = 0;
        do {
            if (++starts > MOST_STARTS) {
                throw new IllegalStateException(name + ": still records between its tasks after " + MOST_STARTS + " starts");
            }
            Application.runUntilQuiet(this, configuration(broker.bootstrap(), stateFolder), broker);
        } while (broker.pending(applicationId, topology) > 0);
        final Recording recording = new Recording(topology, applicationId);
        broker.record(applicationId, topology, recording);
        requireOutputs(recording);
        return Fixture.ran(name, applicationId, cacheBytes, topology, steps, recording).put("starts", starts);
    }

    /** Every run here writes something; an empty output would be a fault of the oracle. */
    private void requireOutputs(final Recording recording) {
        for (final JsonNode node : topology) {
            if (node.get("op").asText().equals("to") && recording.count(node.get("topic").asText()) == 0) {
                throw new IllegalStateException(name + ": nothing arrived in " + node.get("topic").asText());
            }
        }
    }

    private Properties configuration(final String bootstrap, final Path stateFolder) {
        final Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, applicationId);
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, stateFolder.toString());
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
        properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, cacheBytes);
        properties.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.NO_OPTIMIZATION);
        properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, NEVER_MILLIS);
        properties.put(StreamsConfig.REPARTITION_PURGE_INTERVAL_MS_CONFIG, NEVER_MILLIS);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 0);
        properties.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        // A busy machine must not look like a dead member: a rebalance would commit before the end.
        properties.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), PATIENT_MILLIS);
        properties.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.MAX_POLL_INTERVAL_MS_CONFIG), PATIENT_MILLIS);
        properties.put(StreamsConfig.TASK_TIMEOUT_MS_CONFIG, PATIENT_MILLIS);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG), PATIENT_MILLIS);
        return properties;
    }
}

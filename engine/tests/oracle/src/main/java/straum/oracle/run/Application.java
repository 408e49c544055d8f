package straum.oracle.run;

import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.Metric;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import straum.oracle.language.Interpreter;

/** Starts a Kafka Streams application, waits until it has nothing left to do, and closes it. */
final class Application {
    private static final Duration PATIENCE = Duration.ofMinutes(10);
    private static final long POLL_MILLIS = 50;

    private Application() {
    }

    static void runUntilQuiet(final CachedRun run, final Properties configuration, final BrokerTopics broker) throws Exception {
        final long before = broker.committed(run.applicationId(), run.topology());
        try (KafkaStreams streams = new KafkaStreams(Interpreter.topology(run.topology()), configuration)) {
            streams.start();
            final long deadline = System.nanoTime() + PATIENCE.toNanos();
            while (!quiet(streams, run, broker, before)) {
                if (System.nanoTime() > deadline || streams.state() == KafkaStreams.State.ERROR) {
                    throw new IllegalStateException(run.name() + ": not done after " + PATIENCE + ", state " + streams.state());
                }
                TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
            }
            if (broker.committed(run.applicationId(), run.topology()) != before) {
                throw new IllegalStateException(run.name() + ": committed before the end, so its outputs prove nothing");
            }
            streams.close(CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP));
        }
    }

    /** Everything that is in the source topics has been processed, and nothing is on its way to the broker. */
    private static boolean quiet(final KafkaStreams streams, final CachedRun run, final BrokerTopics broker, final long before) throws Exception {
        final long processed = (long) total(streams, "stream-thread-metrics", "process-total");
        final boolean sent = total(streams, "producer-metrics", "buffer-available-bytes") == total(streams, "producer-metrics", "buffer-total-bytes");
        return streams.state() == KafkaStreams.State.RUNNING && sent && processed == broker.ends(run.applicationId(), run.topology()) - before;
    }

    private static double total(final KafkaStreams streams, final String group, final String name) {
        return streams.metrics().values().stream()
            .filter(metric -> metric.metricName().group().equals(group) && metric.metricName().name().equals(name))
            .map(Metric::metricValue)
            .mapToDouble(value -> ((Number) value).doubleValue())
            .sum();
    }
}

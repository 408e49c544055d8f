import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.state.KeyValueStore;

/** Keeps the last value of each key, as the restart proof's instance of Straum does. */
public final class Last {
    /** Counts what is restored, and tells of it at every batch. */
    private static final class Restored implements StateRestoreListener {
        private final AtomicLong records = new AtomicLong();

        @Override
        public void onRestoreStart(TopicPartition partition, String store, long from, long to) {
        }

        @Override
        public void onBatchRestored(TopicPartition partition, String store, long to, long count) {
            // Its rows are all as large: the harness knows how large.
            System.out.println("restored " + records.addAndGet(count) + " 0");
        }

        @Override
        public void onRestoreEnd(TopicPartition partition, String store, long total) {
        }
    }

    /** Arguments: bootstrap servers, application id, state directory, stream threads, group protocol. */
    public static void main(String[] args) throws InterruptedException {
        String application = args[1];
        Serde<String> text = Serdes.String();
        Serde<byte[]> bytes = Serdes.ByteArray();
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(application + "-in", Consumed.with(text, bytes))
            .groupByKey(Grouped.with("by-key", text, bytes))
            .reduce((before, last) -> last, Materialized.<String, byte[], KeyValueStore<Bytes, byte[]>>as("last").withKeySerde(text).withValueSerde(bytes))
            .toStream()
            .mapValues(value -> (long) value.length)
            .to(application + "-out", Produced.with(text, Serdes.Long()));

        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, args[2]);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Integer.parseInt(args[3]));
        settings.put(StreamsConfig.GROUP_PROTOCOL_CONFIG, args[4]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        streams.setGlobalStateRestoreListener(new Restored());
        streams.setStateListener((state, before) -> {
            if (state == KafkaStreams.State.RUNNING) {
                System.out.println("running");
            }
        });
        CountDownLatch end = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close(Duration.ofSeconds(60));
            end.countDown();
        }));
        streams.start();
        end.await();
    }
}

import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The application that changes hands, on Kafka Streams: orders are counted by customer, balances of accounts added up by
 * region. It ends at SIGTERM, leaving its group.
 */
public final class Ledger {
    private static final Serde<String> TEXT = Serdes.String();
    private static final Serde<Long> NUMBER = Serdes.Long();

    private static Materialized<String, Long, KeyValueStore<Bytes, byte[]>> store(String name) {
        return Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as(name).withKeySerde(TEXT).withValueSerde(NUMBER);
    }

    /** What comes before the colon: of an order its customer, of an account its region. */
    private static String owner(String key) {
        return key.substring(0, key.indexOf(':'));
    }

    private static Topology topology() {
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream("orders", Consumed.with(TEXT, NUMBER))
            .groupBy((order, amount) -> owner(order), Grouped.with("by-customer", TEXT, NUMBER))
            .count(store("orders-per-customer"))
            .toStream()
            .to("counts", Produced.with(TEXT, NUMBER));
        builder.table("accounts", Consumed.with(TEXT, NUMBER), store("balances"))
            .groupBy((account, balance) -> KeyValue.pair(owner(account), balance), Grouped.with("by-region", TEXT, NUMBER))
            .aggregate(() -> 0L, (region, balance, sum) -> sum + balance, (region, balance, sum) -> sum - balance, store("sums"))
            .toStream()
            .to("sums-per-region", Produced.with(TEXT, NUMBER));
        return builder.build();
    }

    /** Arguments: bootstrap servers, application id, group protocol, state directory. */
    public static void main(String[] args) throws InterruptedException {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
        settings.put(StreamsConfig.GROUP_PROTOCOL_CONFIG, args[2]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, args[3]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        KafkaStreams streams = new KafkaStreams(topology(), settings);
        CountDownLatch end = new CountDownLatch(1);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(3);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close(CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP).withTimeout(Duration.ofSeconds(30)));
            end.countDown();
        }));
        streams.start();
        end.await();
    }
}

package straum.oracle.language;

import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;

/** What {@code count} declares, kept apart from texts: its values are 64-bit integers until mapped or written. */
final class Numbers {
    private Numbers() {
    }

    record Table(KTable<String, Long> table) {
    }

    record Stream(KStream<String, Long> stream) {
    }
}

package straum.oracle.processors;

import org.apache.kafka.streams.state.ValueAndTimestamp;

/** How {@link Tally} keeps a count in its store: plain or with the record's timestamp. */
interface TallyValue<S> {
    /** What to store. */
    S value(String count, long timestamp);

    /** The count in what is stored, null for nothing. */
    String count(S stored);

    TallyValue<String> PLAIN = new TallyValue<>() {
        @Override
        public String value(final String count, final long timestamp) {
            return count;
        }

        @Override
        public String count(final String stored) {
            return stored;
        }
    };

    TallyValue<ValueAndTimestamp<String>> TIMESTAMPED = new TallyValue<>() {
        @Override
        public ValueAndTimestamp<String> value(final String count, final long timestamp) {
            return ValueAndTimestamp.make(count, timestamp);
        }

        @Override
        public String count(final ValueAndTimestamp<String> stored) {
            return ValueAndTimestamp.getValueOrNull(stored);
        }
    };
}

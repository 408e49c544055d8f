package straum.oracle.cases;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import straum.oracle.fixtures.Step;

/**
 * Seeded inputs with everything that is awkward: null keys, null and empty values, letters beyond ASCII, equal, late and
 * leaping timestamps, headers. Topics whose names begin with {@code global} get the keys that values begin with.
 */
final class Inputs {
    private static final String[] WORDS = {
        "ask", "bjørk", "eik", "gran", "hassel", "lind", "osp", "rogn", "selje", "alm", "einer", "furu",
        "gråor", "heggebær", "lønn", "svartor", "pil", "barlind", "bøk", "trollhegg", "rips", "krekling", "æ", "x"};

    private final Random random;
    private long now = 1_000;

    private Inputs(final long seed) {
        this.random = new Random(seed);
    }

    /** Records spread evenly over the topics. */
    static List<Step> records(final String seed, final int count, final List<String> topics) {
        return new Inputs(seed.hashCode()).steps(count, topics, false);
    }

    /** The same, with the wall clock moved on now and then. */
    static List<Step> recordsAndAdvances(final String seed, final int count, final List<String> topics) {
        return new Inputs(seed.hashCode()).steps(count, topics, true);
    }

    private List<Step> steps(final int count, final List<String> topics, final boolean advances) {
        final List<Step> steps = new ArrayList<>();
        for (int index = 0; index < count; index++) {
            final String topic = topics.get(random.nextInt(topics.size()));
            steps.add(new Step.Send(topic, key(topic), value(), timestamp(), headers()));
            if (advances && random.nextInt(8) == 0) {
                steps.add(new Step.Advance(1 + random.nextInt(250)));
            }
        }
        return steps;
    }

    private String key(final String topic) {
        if (random.nextInt(25) == 0) {
            return null;
        }
        if (topic.startsWith("global")) {
            return word().substring(0, 1);
        }
        return random.nextInt(12) == 0 ? "nøkkel" : "k" + random.nextInt(9);
    }

    private String value() {
        final int draw = random.nextInt(100);
        if (draw < 10) {
            return null;
        }
        if (draw < 13) {
            return "";
        }
        if (draw < 33) {
            return Integer.toString(random.nextInt(200) - 50);
        }
        return draw < 60 ? word() + random.nextInt(10) : word();
    }

    private String word() {
        return WORDS[random.nextInt(WORDS.length)];
    }

    private long timestamp() {
        final int draw = random.nextInt(100);
        if (draw < 15) {
            return Math.max(0, now - 1 - random.nextInt(400));
        }
        if (draw < 70) {
            now += 1 + random.nextInt(50);
        } else if (draw < 73) {
            now += 1_000;
        }
        return now;
    }

    private Headers headers() {
        final Headers headers = new RecordHeaders();
        if (random.nextInt(7) == 0) {
            headers.add("trace", Integer.toString(random.nextInt(1000)).getBytes(StandardCharsets.UTF_8));
            if (random.nextInt(3) == 0) {
                headers.add("trace", "igjen".getBytes(StandardCharsets.UTF_8));
            }
            if (random.nextInt(3) == 0) {
                headers.add("tom", null);
            }
        }
        return headers;
    }
}

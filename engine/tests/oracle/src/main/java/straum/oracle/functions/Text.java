package straum.oracle.functions;

import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;

/** The arithmetic on nullable texts that every named function is made of. README.md, "Arithmetic", is its contract. */
public final class Text {
    private static final Pattern NUMBER = Pattern.compile("-?[0-9]{1,15}");

    private Text() {
    }

    /** The sum of the UTF-8 bytes, each as 0..255; 0 for null. */
    public static long hash(final String text) {
        long sum = 0;
        if (text != null) {
            for (final byte octet : text.getBytes(StandardCharsets.UTF_8)) {
                sum += octet & 0xff;
            }
        }
        return sum;
    }

    /** The text itself, or the four letters {@code null}. */
    public static String spell(final String text) {
        return text == null ? "null" : text;
    }

    /** 0 for null, the number for 1 to 15 ASCII digits with an optional minus sign, else the hash. */
    public static long number(final String text) {
        if (text == null) {
            return 0;
        }
        return NUMBER.matcher(text).matches() ? Long.parseLong(text) : hash(text);
    }

    /** The first {@code length} characters. */
    public static String first(final String text, final int length) {
        return text.length() <= length ? text : text.substring(0, length);
    }

    /** The last {@code length} characters. */
    public static String last(final String text, final int length) {
        return text.length() <= length ? text : text.substring(text.length() - length);
    }
}

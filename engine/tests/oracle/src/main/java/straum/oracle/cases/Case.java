package straum.oracle.cases;

import com.fasterxml.jackson.databind.JsonNode;

/** A topology to record. The name is {@code operator/variant}; the operator names the file. */
public record Case(String name, JsonNode topology) {
    static Case of(final String name, final Sketch sketch) {
        return new Case(name, sketch.json());
    }

    public String operator() {
        return name.substring(0, name.indexOf('/'));
    }
}

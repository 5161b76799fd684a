// Owns the other side of the codec cross-check: maps bytes to JSON and back with the classes generated inside Apache Kafka.
// Reads commands from stdin and answers each on stdout; all integers big-endian:
//   command: u32 length, u8 mode, u16 length + class or resource name, i16 version, u32 length + bytes, u32 length + JSON text
//   answer:  u8 1 = good, 0 = failed, u32 length + text, u32 length + bytes encoded from the decoded object, u32 length + bytes encoded from the JSON
// Modes: p plain message, m metadata record in its frame, v value after its version, t key after its type, d a message of defaults,
//        b record batches (also rebuilt uncompressed), r a resource of the class path, i facts: API ranges, errors, record types.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.InputStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.metadata.MetadataRecordType;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.metadata.MetadataRecordSerde;
import org.apache.kafka.server.common.ApiMessageAndVersion;

public final class Oracle {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final byte[] NOTHING = new byte[0];
    private static final Map<String, Class<?>> CLASSES = new HashMap<>();

    private record Command(char mode, String name, short version, byte[] bytes, String json) { }

    private record Answer(String text, byte[] reencoded, byte[] fromJson) { }

    public static void main(String[] args) throws Exception {
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in, 1 << 16));
        DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out, 1 << 16));
        while (true) {
            Command command;
            try {
                in.readInt();
            } catch (EOFException end) {
                return;
            }
            char mode = (char) in.readUnsignedByte();
            String name = new String(in.readNBytes(in.readUnsignedShort()), StandardCharsets.UTF_8);
            short version = in.readShort();
            byte[] bytes = in.readNBytes(in.readInt());
            command = new Command(mode, name, version, bytes, new String(in.readNBytes(in.readInt()), StandardCharsets.UTF_8));
            Answer answer;
            boolean good = true;
            try {
                answer = handle(command);
            } catch (Throwable failure) {
                Throwable cause = failure instanceof InvocationTargetException ? failure.getCause() : failure;
                good = false;
                answer = new Answer(cause.toString(), NOTHING, NOTHING);
            }
            out.writeByte(good ? 1 : 0);
            for (byte[] part : new byte[][] {answer.text.getBytes(StandardCharsets.UTF_8), answer.reencoded, answer.fromJson}) {
                out.writeInt(part.length);
                out.write(part);
            }
            if (in.available() == 0) out.flush();
        }
    }

    private static Answer handle(Command command) throws Exception {
        switch (command.mode) {
            case 'i': return new Answer(facts(), NOTHING, NOTHING);
            case 'r': return new Answer(resource(command.name), NOTHING, NOTHING);
            case 'b': return batches(command.bytes);
            case 'd': return new Answer("", encode('p', newMessage(command.name), command.version), NOTHING);
            default: return message(command);
        }
    }

    private static Answer message(Command command) throws Exception {
        Message decoded = decode(command);
        Class<?> converter = load(command.name + "JsonConverter");
        Class<?> type = load(command.name);
        JsonNode node;
        try {
            node = (JsonNode) converter.getMethod("write", type, short.class, boolean.class).invoke(null, decoded, command.version, false);
        } catch (NoSuchMethodException noRecordsInIt) {
            node = (JsonNode) converter.getMethod("write", type, short.class).invoke(null, decoded, command.version);
        }
        Object parsed = converter.getMethod("read", JsonNode.class, short.class).invoke(null, MAPPER.readTree(command.json), command.version);
        return new Answer(MAPPER.writeValueAsString(node), encode(command.mode, decoded, command.version),
            encode(command.mode, (Message) parsed, command.version));
    }

    private static Message decode(Command command) throws Exception {
        ByteBuffer buffer = ByteBuffer.wrap(command.bytes);
        if (command.mode == 'm') {
            ApiMessageAndVersion record = MetadataRecordSerde.INSTANCE.read(new ByteBufferAccessor(buffer), command.bytes.length);
            check(record.version() == command.version, "record version " + record.version());
            check(record.message().getClass() == load(command.name), "record type " + record.message().getClass());
            return record.message();
        }
        Message message = newMessage(command.name);
        if (command.mode == 'v') check(buffer.getShort() == command.version, "value version");
        if (command.mode == 't') check(buffer.getShort() == ((ApiMessage) message).apiKey(), "key type");
        message.read(new ByteBufferAccessor(buffer), command.version);
        check(!buffer.hasRemaining(), buffer.remaining() + " bytes left over");
        return message;
    }

    private static byte[] encode(char mode, Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        switch (mode) {
            case 'm': {
                ApiMessageAndVersion record = new ApiMessageAndVersion((ApiMessage) message, version);
                ByteBuffer buffer = ByteBuffer.allocate(MetadataRecordSerde.INSTANCE.recordSize(record, cache));
                MetadataRecordSerde.INSTANCE.write(record, cache, new ByteBufferAccessor(buffer));
                return buffer.array();
            }
            case 'v': return MessageUtil.toVersionPrefixedBytes(version, message);
            case 't': return MessageUtil.toCoordinatorTypePrefixedBytes((ApiMessage) message);
            default: {
                ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
                message.write(new ByteBufferAccessor(buffer), cache, version);
                check(!buffer.hasRemaining(), "size was wrong");
                return buffer.array();
            }
        }
    }

    private static Answer batches(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        ByteBuffer rebuilt = ByteBuffer.allocate(bytes.length * 2 + 1024 * 1024);
        for (MutableRecordBatch batch : MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)).batches()) {
            batch.ensureValid();
            MemoryRecordsBuilder builder = MemoryRecords.builder(rebuilt, batch.magic(), Compression.NONE, batch.timestampType(),
                batch.baseOffset(), batch.maxTimestamp(), batch.producerId(), batch.producerEpoch(), batch.baseSequence(),
                batch.isTransactional(), batch.isControlBatch(), batch.partitionLeaderEpoch());
            for (Record record : batch) {
                text.append(record.offset()).append(' ').append(record.timestamp()).append(' ').append(hex(record.key())).append(' ').append(hex(record.value()));
                for (Header header : record.headers()) {
                    text.append(' ').append(hex(ByteBuffer.wrap(header.key().getBytes(StandardCharsets.UTF_8)))).append('=')
                        .append(hex(header.value() == null ? null : ByteBuffer.wrap(header.value())));
                }
                text.append('\n');
                if (batch.isControlBatch()) builder.appendControlRecordWithOffset(record.offset(), new SimpleRecord(record));
                else builder.appendWithOffset(record.offset(), record.timestamp(), record.key(), record.value(), record.headers());
            }
            MemoryRecords one = builder.build();
            check(one.sizeInBytes() > 0, "empty batch");
        }
        byte[] result = new byte[rebuilt.position()];
        rebuilt.flip();
        rebuilt.get(result);
        return new Answer(text.toString(), result, NOTHING);
    }

    private static String hex(ByteBuffer buffer) {
        if (buffer == null) return "null";
        byte[] copy = new byte[buffer.remaining()];
        buffer.duplicate().get(copy);
        return "x" + HexFormat.of().formatHex(copy);
    }

    private static String facts() {
        StringBuilder text = new StringBuilder();
        for (ApiMessageType api : ApiMessageType.values()) {
            if (api.requestSchemas().length == 0 || api.lowestSupportedVersion() > api.highestSupportedVersion(true)) continue;
            text.append("api ").append(api.apiKey()).append(' ').append(api.name).append(' ').append(api.lowestSupportedVersion())
                .append(' ').append(api.highestSupportedVersion(false)).append(' ').append(api.listeners()).append(" headers");
            for (short v = api.lowestSupportedVersion(); v <= api.highestSupportedVersion(false); v++) {
                text.append(' ').append(api.requestHeaderVersion(v)).append(api.responseHeaderVersion(v));
            }
            text.append('\n');
        }
        for (Errors error : Errors.values()) {
            text.append("error ").append(error.code()).append(' ').append(error.name()).append(' ')
                .append(error.exception() instanceof RetriableException).append('\n');
        }
        for (MetadataRecordType type : MetadataRecordType.values()) {
            text.append("record ").append(type.id()).append(' ').append(type.newMetadataRecord().getClass().getSimpleName()).append(' ')
                .append(type.lowestSupportedVersion()).append(' ').append(type.highestSupportedVersion()).append('\n');
        }
        return text.toString();
    }

    private static String resource(String name) throws Exception {
        try (InputStream stream = Oracle.class.getClassLoader().getResourceAsStream(name)) {
            check(stream != null, "no resource " + name);
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private static Message newMessage(String name) throws Exception {
        return (Message) load(name).getDeclaredConstructor().newInstance();
    }

    private static Class<?> load(String name) throws ClassNotFoundException {
        Class<?> known = CLASSES.get(name);
        if (known == null) CLASSES.put(name, known = Class.forName(name));
        return known;
    }

    private static void check(boolean condition, String message) {
        if (!condition) throw new IllegalStateException(message);
    }
}

// DescribeConfigs: settings of topics, brokers, loggers, groups with source and synonyms (KIP-226).
// v3 type and documentation (KIP-569); v4 flexible.
import {
  api,
  array,
  bool,
  int16,
  int32,
  int8,
  string,
  struct,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const describeConfigs = api({
  key: 32,
  name: 'DescribeConfigs',
  versions: [1, 4],
  flexible: 4,
  listeners: ['broker', 'controller'],
  request: () => ({
    resources: array(
      struct({
        resourceType: int8(),
        resourceName: string(),
        configurationKeys: array(string(), { nullable: true }),
      }),
    ),
    includeSynonyms: bool(),
    includeDocumentation: bool({ since: 3 }),
  }),
  response: () => ({
    throttleTimeMs: int32(),
    results: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ nullable: true }),
        resourceType: int8(),
        resourceName: string(),
        configs: array(
          struct({
            name: string(),
            value: string({ nullable: true }),
            readOnly: bool(),
            configSource: int8({ default: -1, ignorable: true }),
            isSensitive: bool(),
            synonyms: array(
              struct({
                name: string(),
                value: string({ nullable: true }),
                source: int8(),
              }),
              { ignorable: true },
            ),
            configType: int8({ since: 3, ignorable: true }),
            documentation: string({ since: 3, nullable: true, ignorable: true }),
          }),
        ),
      }),
    ),
  }),
})

export type DescribeConfigsRequest = RequestOf<typeof describeConfigs>
export type DescribeConfigsRequestInput = RequestInput<typeof describeConfigs>
export type DescribeConfigsResponse = ResponseOf<typeof describeConfigs>
export type DescribeConfigsResponseInput = ResponseInput<typeof describeConfigs>

// IncrementalAlterConfigs: sets (0), deletes (1), appends to (2), subtracts from (3) single settings (KIP-339). v1
// flexible.
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

export const incrementalAlterConfigs = api({
  key: 44,
  name: 'IncrementalAlterConfigs',
  versions: [0, 1],
  flexible: 1,
  listeners: ['broker', 'controller'],
  request: () => ({
    resources: array(
      struct({
        resourceType: int8(),
        resourceName: string(),
        configs: array(
          struct({
            name: string(),
            configOperation: int8(),
            value: string({ nullable: true }),
          }),
        ),
      }),
    ),
    validateOnly: bool(),
  }),
  response: () => ({
    throttleTimeMs: int32(),
    responses: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ nullable: true }),
        resourceType: int8(),
        resourceName: string(),
      }),
    ),
  }),
})

export type IncrementalAlterConfigsRequest = RequestOf<typeof incrementalAlterConfigs>
export type IncrementalAlterConfigsRequestInput = RequestInput<typeof incrementalAlterConfigs>
export type IncrementalAlterConfigsResponse = ResponseOf<typeof incrementalAlterConfigs>
export type IncrementalAlterConfigsResponseInput = ResponseInput<typeof incrementalAlterConfigs>

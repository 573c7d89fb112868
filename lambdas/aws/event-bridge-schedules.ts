import { ListSchedulesCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { AwsUnavailableError } from '../domain/errors.ts';
import type { ListedSchedule, Schedules } from './schedules.ts';
import { clientSettings, type AwsLimits } from './attempts.ts';
import { awsService, limitsOf, notThisServiceError, requestOf, type AwsOptions } from './service.ts';

const SCHEDULER = awsService('EventBridge Scheduler', AwsUnavailableError, {});

/** Schedules of EventBridge Scheduler. Region and credentials come from the SDK's default chain. */
export class EventBridgeSchedules implements Schedules {
  readonly #client: SchedulerClient;
  readonly #limits: AwsLimits;

  constructor(options: AwsOptions = {}) {
    this.#limits = limitsOf(options);
    this.#client = new SchedulerClient(clientSettings(this.#limits));
  }

  async *list(groupName: string): AsyncGenerator<ListedSchedule> {
    const call = { verb: 'list', object: `schedule group ${groupName}`, permission: 'scheduler:ListSchedules' };
    let token: string | undefined;
    do {
      const command = new ListSchedulesCommand({ GroupName: groupName, NextToken: token });
      const page = await requestOf(SCHEDULER, { call, limits: this.#limits }, (http) =>
        this.#client.send(command, http),
      );
      if (page.Schedules === undefined) throw notThisServiceError(SCHEDULER, call);
      for (const { Name, State } of page.Schedules) {
        if (Name === undefined) throw notThisServiceError(SCHEDULER, call);
        yield { name: Name, enabled: State === 'ENABLED' };
      }
      token = page.NextToken;
    } while (token !== undefined);
  }
}

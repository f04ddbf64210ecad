import 'reflect-metadata';

import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

import { Numbers } from './numbers.service';

@Module({ providers: [Numbers] })
class ApplicationModule {}

async function main(): Promise<void> {
  const application = await NestFactory.createApplicationContext(ApplicationModule, {
    logger: ['error'],
  });
  console.log(await application.get(Numbers).sumOfSquares([1, 2, 3, 4]));
  await application.close();
}

void main();
